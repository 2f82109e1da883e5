//go:build fault

package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// config is what the suite sets in the environment.
type config struct {
	listen   string
	public   *url.URL // of all sites
	database string   // sqlite:PATH or postgres://...
	keyring  string   // a file that is there
	smtp     string   // empty: mail waits
	clock    string   // file with what the clock is off by; empty: nothing
	tries    string   // file to which evaluated tries are added; empty: none
	fileSize uint64   // the most that a file may have; 0: as the system says
	points   *failpoints
}

// Names of the environment.
const (
	envListen    = "FAULT_NODE_LISTEN"
	envPublic    = "FAULT_NODE_PUBLIC"
	envDatabase  = "FAULT_NODE_DATABASE"
	envKeyring   = "FAULT_NODE_KEYRING"
	envSMTP      = "FAULT_NODE_SMTP"
	envClock     = "FAULT_NODE_CLOCK"
	envTries     = "FAULT_NODE_TRIES"
	envFileSize  = "FAULT_NODE_FSIZE"
	envFailpoint = "ENROLLKIT_FAILPOINT"
)

func readConfig(env func(string) string) (cfg config, err error) {
	cfg = config{
		listen: env(envListen), database: env(envDatabase), keyring: env(envKeyring),
		smtp: env(envSMTP), clock: env(envClock), tries: env(envTries),
	}
	if cfg.public, err = url.Parse(env(envPublic)); err != nil {
		return cfg, err
	}
	if text := env(envFileSize); text != "" {
		if cfg.fileSize, err = strconv.ParseUint(text, 10, 64); err != nil {
			return cfg, err
		}
	}
	cfg.points, err = armed(env(envFailpoint))
	return cfg, err
}

// armed reads "name:n": the node kills itself when it comes to that point for
// the n-th time.
func armed(text string) (*failpoints, error) {
	if text == "" {
		return &failpoints{}, nil
	}
	name, count, _ := strings.Cut(text, ":")
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil || n < 1 || !pointNames[point(name)] {
		return nil, fmt.Errorf("%s: want NAME:N, got %q", envFailpoint, text)
	}
	return &failpoints{name: point(name), at: n}, nil
}
