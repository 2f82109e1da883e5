// Agent: a program on a device that enrolls as an Android agent does, by whatever
// it was started with: a scanned code, a link, an install referrer, address and PIN,
// or a one-time login. It then reports what it has, step by step, until the server
// calls the device active, and checks in from time to time.
//
// What makes it safe to pull the plug at any moment: its enrollment id is on the
// disk before the first request, so a request whose answer was lost is sent again
// and answered the same; and reports are numbered, with the number to go on from in
// every answer, so that a lost counter is found again.
//
//	agent -start 'https://mdm.example.com/i/TOKEN'
//	ENROLL_PIN='1234 5678' agent -server https://mdm.example.com -email ann@example.com
//	ENROLL_PASSWORD=... agent -server https://mdm.example.com -username a123456789
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment/android"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("agent", flag.ContinueOnError)
	start := flags.String("start", "", "deployment URL, provisioning code or install referrer")
	server := flags.String("server", "", "where the site is, without -start")
	email := flags.String("email", "", "address, with the PIN in ENROLL_PIN")
	username := flags.String("username", "", "of a one-time login, with the password in ENROLL_PASSWORD")
	ownership := flags.String("ownership", "", "company or personal")
	mode := flags.String("mode", "", "android_work_profile and so on")
	serial := flags.String("serial", "", "serial number")
	state := flags.String("state", "agent.json", "file that outlives the process; it holds the device token")
	goodbye := flags.Bool("leave", false, "leave management")
	every := flags.Duration("every", time.Minute, "time between two signs of life")
	if err := flags.Parse(args); err != nil {
		return err
	}
	a, err := open(*state, http.DefaultClient)
	if err != nil {
		return err
	}
	if *goodbye {
		return a.leave(ctx)
	}
	if !a.enrolled() {
		r := request{Ownership: device.Ownership(*ownership), Mode: device.Mode(*mode), Device: thisDevice(*serial)}
		if r.Server, r.Credential, err = credential(*start, *server, *email, *username); err != nil {
			return err
		}
		if *start != "" {
			r.adopt(*start)
		}
		if _, err := a.enroll(ctx, r); err != nil {
			return err
		}
	}
	if err := a.settle(ctx, grantEverything); err != nil {
		return err
	}
	fmt.Println("active")
	return a.live(ctx, *every)
}

// credential is what the agent was given to enroll with.
func credential(start, server, email, username string) (*url.URL, map[string]string, error) {
	var at *url.URL
	var token credentials.Secret
	if start != "" {
		s, err := android.ReadStart(start)
		if err != nil {
			return nil, nil, err
		}
		at, token = s.Server, s.Token
	} else {
		var err error
		if at, err = url.Parse(server); err != nil || at.Host == "" {
			return nil, nil, errors.New("-start or -server says where to enroll")
		}
	}
	// A PIN or a password is for the server alone, and not for who listens on the way.
	if credentials.CheckBase(at) != nil {
		return nil, nil, errors.New("the server's address is https, or http on this machine")
	}
	switch {
	case !token.IsZero():
		return at, map[string]string{"type": "token", "token": token.Reveal()}, nil
	case email != "":
		return at, map[string]string{"type": "pin", "email": email, "pin": os.Getenv("ENROLL_PIN")}, nil
	case username != "":
		return at, map[string]string{"type": "one_time", "username": username, "password": os.Getenv("ENROLL_PASSWORD")}, nil
	}
	return nil, nil, errors.New("-email or -username says who enrolls")
}

// adopt takes over what a provisioning code says besides the token, where the
// command line said nothing.
func (r *request) adopt(start string) {
	s, err := android.ReadStart(start)
	if err != nil {
		return
	}
	if r.Ownership == "" {
		r.Ownership = s.Ownership
	}
	if r.Mode == "" {
		r.Mode = s.Mode
	}
}

func thisDevice(serial string) hardware {
	name, err := os.Hostname()
	if err != nil {
		name = "device"
	}
	return hardware{Platform: device.Android, Name: name, Serial: serial, Manufacturer: "Example", Model: "Agent", OSVersion: "14"}
}

// grantEverything is the person at the device, who does what is asked.
func grantEverything(device.Action) bool { return true }
