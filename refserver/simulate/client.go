package simulate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 4 << 20

// maxTries is how often one request is sent when no answer, 429 or 503 came.
// Every request of a simulation bears repetition.
const maxTries = 4

// errStopped says that a story cannot go on; why is in the report already.
var errStopped = errors.New("simulate: stopped")

// client sends requests and judges the statuses of their answers.
type client struct {
	http     *http.Client
	slots    chan struct{} // holds an element for each request under way
	patience time.Duration
	tally    *tally
}

// call is one request.
type call struct {
	method, url string
	route       string // the pattern, for the report: an address may hold a secret
	header      http.Header
	body        any      // nil, url.Values for a form, or anything for JSON
	want        []string // "201", "401 credential_refused"
	who         string   // for the report: "story: verb"
}

// answer is what came back.
type answer struct {
	status int
	code   string // of a problem
	header http.Header
	body   []byte
	tries  int
}

// is reports whether the answer has this status.
func (a answer) is(status int) bool { return a.status == status }

// decode reads the body into v.
func (a answer) decode(v any) error { return json.Unmarshal(a.body, v) }

// do sends a request until it is answered. An answer that c does not want is
// noted and is errStopped; the end of ctx is its error.
func (c *client) do(ctx context.Context, r call) (answer, error) {
	payload, media, err := encode(r.body)
	if err != nil {
		return answer{}, err
	}
	for try := 1; ; try++ {
		a, err := c.once(ctx, r, payload, media)
		a.tries = try
		if ctx.Err() != nil {
			return a, context.Cause(ctx)
		}
		var wait time.Duration
		switch {
		case err != nil:
			if try == maxTries {
				return a, c.unforeseen(r, "no answer: "+kindOf(err))
			}
			wait = time.Duration(try*try) * 100 * time.Millisecond
		case a.is(http.StatusTooManyRequests), a.is(http.StatusServiceUnavailable):
			after, ok := retryAfter(a.header, time.Now())
			if !ok {
				return a, c.unforeseen(r, a.said()+" without Retry-After")
			}
			if a.is(http.StatusServiceUnavailable) {
				_ = c.unforeseen(r, a.said()) // and go on: the story is worth more
			} else {
				c.tally.count("asked to wait (429)")
			}
			if try == maxTries || after > c.patience {
				return a, c.judge(r, a)
			}
			wait = after
		default:
			return a, c.judge(r, a)
		}
		if err := sleep(ctx, wait); err != nil {
			return a, err
		}
	}
}

// once sends a request once.
func (c *client) once(ctx context.Context, r call, payload []byte, media string) (answer, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
	request, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(payload))
	if err != nil {
		return answer{}, errors.New("malformed request") // the text may quote the address
	}
	for name, values := range r.header {
		request.Header[name] = values
	}
	if media != "" {
		request.Header.Set("Content-Type", media)
	}
	c.tally.request()
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, header: response.Header, body: body}
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json") {
		var problem struct {
			Code string `json:"code"`
		}
		_ = json.Unmarshal(body, &problem) // no code is noted as such
		a.code = problem.Code
	}
	return a, nil
}

// judge compares an answer with what was foreseen.
func (c *client) judge(r call, a answer) error {
	for _, want := range r.want {
		status, code, _ := strings.Cut(want, " ")
		if status == strconv.Itoa(a.status) && (code == "" || code == a.code) {
			return nil
		}
	}
	// A request that was sent again may find itself done.
	if a.tries > 1 && a.status == http.StatusOK && slices.Contains(r.want, "201") {
		return nil
	}
	return c.unforeseen(r, a.said())
}

// unforeseen notes what nobody expected.
func (c *client) unforeseen(r call, got string) error {
	c.tally.unexpected(r.who, r.method+" "+r.route, strings.Join(r.want, " or "), got)
	return errStopped
}

// said is an answer for the report.
func (a answer) said() string {
	if a.code != "" {
		return fmt.Sprintf("%d %s", a.status, a.code)
	}
	return strconv.Itoa(a.status)
}

func encode(body any) (payload []byte, media string, err error) {
	switch body := body.(type) {
	case nil:
		return nil, "", nil
	case url.Values:
		return []byte(body.Encode()), "application/x-www-form-urlencoded", nil
	default:
		payload, err = json.Marshal(body)
		return payload, "application/json", err
	}
}

// kindOf says what kind of error it was. Its whole text quotes the address.
func kindOf(err error) string {
	var outer *url.Error
	if errors.As(err, &outer) {
		if outer.Timeout() {
			return "timeout"
		}
		err = outer.Err
	}
	return fmt.Sprintf("%T", err)
}

// retryAfter reads the header in both of its forms.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return time.Duration(n) * time.Second, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now)), true
	}
	return 0, false
}

// sleep waits, or returns why ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
