package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"example.com/enrollkit/device"
)

// The bodies of the device API, see enrollhttp's openapi.yaml.

// request is what enrolls.
type request struct {
	Server       *url.URL          `json:"-"`
	EnrollmentID string            `json:"enrollment_id"`
	Credential   map[string]string `json:"credential"`
	Ownership    device.Ownership  `json:"ownership,omitempty"`
	Mode         device.Mode       `json:"mode,omitempty"`
	Device       hardware          `json:"device"`
}

type hardware struct {
	Platform     device.Platform `json:"platform"`
	Name         string          `json:"name,omitempty"`
	Serial       string          `json:"serial,omitempty"`
	ESID         string          `json:"esid,omitempty"`
	Manufacturer string          `json:"manufacturer,omitempty"`
	Model        string          `json:"model,omitempty"`
	OSVersion    string          `json:"os_version,omitempty"`
}

type report struct {
	Seq       int64                `json:"seq"`
	Facts     map[device.Fact]bool `json:"facts"`
	Inventory map[string]any       `json:"inventory,omitempty"`
}

// status is how the device stands, in every answer but a sign of life's.
type status struct {
	DeviceID    string        `json:"device_id"`
	DeviceToken string        `json:"device_token"`
	State       device.State  `json:"state"`
	Missing     []device.Fact `json:"missing"`
	Next        device.Action `json:"next"`
	Seq         int64         `json:"seq"`
}

// refusal is a no of the server's, for good.
type refusal struct {
	Status int
	Code   string `json:"code"`
}

func (r *refusal) Error() string { return fmt.Sprintf("refused: %d %s", r.Status, r.Code) }

// maxTries is how often a request is sent, and maxAnswer how much of an answer is
// read.
const (
	maxTries  = 12
	maxAnswer = 1 << 20
)

// post sends body until it is answered. Every request of an agent may be sent
// again: the server knows it by its enrollment id or its number.
func (a *agent) post(ctx context.Context, server, path, token string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		pause, err := a.postOnce(ctx, server+path, token, text, answer)
		if no, ok := errors.AsType[*refusal](err); err == nil || ok && no.Status < 500 && no.Status != http.StatusTooManyRequests {
			return err
		}
		if try == maxTries {
			return err
		}
		if err := a.sleep(ctx, max(pause, backOff(try))); err != nil {
			return err
		}
	}
}

// postOnce sends once; pause is how long the server wants to be left alone.
func (a *agent) postOnce(ctx context.Context, address, token string, body []byte, answer any) (pause time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, errors.New("the server's address is none") // it is not quoted: nobody knows what is in it
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := a.client.Do(r)
	if err != nil {
		return 0, errors.New("the server was not reached")
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return 0, errors.New("the answer broke off")
	}
	if resp.StatusCode >= 300 {
		no := &refusal{Status: resp.StatusCode}
		_ = json.Unmarshal(text, no) // a proxy's page has no code
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
			pause = time.Duration(min(max(seconds, 0), 3600)) * time.Second
		}
		return pause, no
	}
	if answer == nil {
		return 0, nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return 0, errors.New("the answer is not JSON")
	}
	return 0, nil
}

// backOff doubles from a second to a minute.
func backOff(try int) time.Duration { return min(time.Second<<(try-1), time.Minute) }

// sleepWell waits, or ends with ctx.
func sleepWell(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
