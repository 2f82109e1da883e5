package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"example.com/enrollkit/device"
)

// agent is the program on one device.
type agent struct {
	client *http.Client
	file   string
	sleep  func(context.Context, time.Duration) error

	memory
	told status // the latest answer
}

// memory is what outlives the process. On Android it belongs into storage that a
// key of the Keystore encrypts.
type memory struct {
	Server       string `json:"server"`
	EnrollmentID string `json:"enrollment_id"`
	DeviceID     string `json:"device_id"`
	DeviceToken  string `json:"device_token"`
	Seq          int64  `json:"seq"` // the number of the next report
}

// open reads what an earlier process left. Redirects are not followed: what the agent
// sends is for the server that it was started with.
func open(file string, client *http.Client) (*agent, error) {
	stays := *client
	stays.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	a := &agent{client: &stays, file: file, sleep: sleepWell}
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return a, nil
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(text, &a.memory); err != nil {
		return nil, errors.New("the state file is damaged; remove it to enroll again")
	}
	return a, nil
}

// save replaces the file, so that a crash leaves the old or the new one.
func (a *agent) save() error {
	text, err := json.Marshal(a.memory)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(a.file), ".agent-*") // readable by its owner alone
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), a.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func (a *agent) enrolled() bool { return a.DeviceToken != "" }

// enroll asks to be taken in. The id that it asks by is kept first: whatever
// happens to the answer, the next process asks by the same and gets the same.
func (a *agent) enroll(ctx context.Context, r request) (status, error) {
	if a.EnrollmentID == "" || a.Server != r.Server.String() {
		a.memory = memory{Server: r.Server.String(), EnrollmentID: rand.Text()}
		if err := a.save(); err != nil {
			return status{}, err
		}
	}
	r.EnrollmentID = a.EnrollmentID
	if err := a.post(ctx, a.Server, "/device/v1/enroll", "", r, &a.told); err != nil {
		return status{}, err
	}
	a.DeviceID, a.DeviceToken, a.Seq = a.told.DeviceID, a.told.DeviceToken, a.told.Seq
	a.told.DeviceToken = ""
	return a.told, a.save()
}

// report says what holds. An answer that goes on from another number than the one
// after ours says that ours was not new: the counter was lost, and what we said with
// it. It is said again.
func (a *agent) report(ctx context.Context, facts map[device.Fact]bool, inventory map[string]any) (status, error) {
	for {
		seq := max(a.Seq, 1)
		var now status
		if err := a.post(ctx, a.Server, "/device/v1/report", a.DeviceToken, report{seq, facts, inventory}, &now); err != nil {
			return status{}, err
		}
		a.Seq, a.told = now.Seq, now
		if err := a.save(); err != nil {
			return status{}, err
		}
		if now.Seq <= seq+1 {
			return now, nil
		}
	}
}

// settle does what the server says is missing, one thing after the other, until
// nothing is. did asks the person at the device; what they will not do, ends it.
func (a *agent) settle(ctx context.Context, did func(device.Action) bool) error {
	now, err := a.report(ctx, map[device.Fact]bool{device.AgentInstalled: true}, nil)
	for err == nil && len(now.Missing) > 0 {
		fact, facts, inventory := now.Missing[0], map[device.Fact]bool{}, map[string]any(nil)
		if fact == device.InventoryReceived {
			inventory = map[string]any{"model": "Agent", "os_version": "14"}
		} else {
			if !did(now.Next) {
				return fmt.Errorf("waits for %s", now.Next)
			}
			facts[fact] = true
		}
		before := len(now.Missing)
		if now, err = a.report(ctx, facts, inventory); err == nil && len(now.Missing) >= before {
			return fmt.Errorf("the server still misses %s", now.Missing[0])
		}
	}
	return err
}

// live shows signs of life until ctx ends, or the device is told that it is gone.
func (a *agent) live(ctx context.Context, every time.Duration) error {
	for {
		if err := a.checkIn(ctx); err != nil {
			return err
		}
		if err := a.sleep(ctx, every); err != nil {
			return err
		}
	}
}

// checkIn is one sign of life. A device that an administrator deleted forgets all
// about the server.
func (a *agent) checkIn(ctx context.Context) error {
	err := a.post(ctx, a.Server, "/device/v1/checkin", a.DeviceToken, struct{}{}, nil)
	if no, ok := errors.AsType[*refusal](err); ok && no.Status == http.StatusGone {
		return errors.Join(err, os.Remove(a.file))
	}
	return err
}

// leave says goodbye and forgets the server.
func (a *agent) leave(ctx context.Context) error {
	if err := a.post(ctx, a.Server, "/device/v1/unenroll", a.DeviceToken, struct{}{}, nil); err != nil {
		return err
	}
	a.memory = memory{}
	return os.Remove(a.file)
}
