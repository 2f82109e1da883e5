package enrollhttp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/enrollhttp"
)

// staff is a directory of three.
type staff struct{}

func (staff) Lookup(_ context.Context, site, id string) (enrollment.User, error) {
	if site != "acme" || !slices.Contains([]string{"eva", "petr", "olga"}, id) {
		return enrollment.User{}, enrollment.ErrNotFound
	}
	return enrollment.User{Site: site, ID: id, Name: "Name of " + id, Email: id + "@example.com"}, nil
}

func (s staff) ByEmail(ctx context.Context, email string) ([]enrollment.User, error) {
	id, _, _ := strings.Cut(email, "@")
	if u, err := s.Lookup(ctx, "acme", id); err == nil && u.Email == email {
		return []enrollment.User{u}, nil
	}
	return nil, nil
}

// mailbox keeps what is delivered.
type mailbox struct {
	mu   sync.Mutex
	mail []enrollment.Mail
}

func (m *mailbox) Deliver(_ context.Context, mail enrollment.Mail) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mail = append(m.mail, mail)
	return nil
}

// door is a world whose self-service is open.
type door struct {
	*world
	mailbox  *mailbox
	passcode string
}

func newDoor(t testing.TB, change ...func(*enrollment.Config, *enrollhttp.Options, *enrollment.InviteRequest, *enrollment.Site)) *door {
	t.Helper()
	d := &door{mailbox: new(mailbox)}
	open := func(c *enrollment.Config, _ *enrollhttp.Options, _ *enrollment.InviteRequest, s *enrollment.Site) {
		c.Directory, c.Deliverer = staff{}, d.mailbox
		s.SoleHost = true
	}
	d.world = newWorld(t, append([]func(*enrollment.Config, *enrollhttp.Options, *enrollment.InviteRequest, *enrollment.Site){open}, change...)...)
	d.generate()
	return d
}

func (d *door) generate() {
	d.t.Helper()
	made, _, err := d.svc.GeneratePasscode(context.Background(), admin)
	d.must(err)
	d.passcode = made.Reveal()
}

// wrongPasscode is one that is not the site's.
const wrongPasscode = "AAAAbbbb0000"

func (d *door) status() enrollment.PasscodeDetail {
	d.t.Helper()
	detail, err := d.svc.Passcode(context.Background(), admin)
	d.must(err)
	return detail
}

// form encodes names and values in turn.
func form(pairs ...string) string {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values.Encode()
}

// post sends a form to a page.
func (w *world) post(path, form string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.do(http.MethodPost, path, form, append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
}

// knock sends the form of the self-service page.
func (w *world) knock(email, passcode string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.post("/join/enroll", form("email", email, "passcode", passcode), header...)
}

// logins returns the mails that carry a login.
func (d *door) logins() (list []enrollment.Mail) {
	d.t.Helper()
	for {
		n, err := d.svc.DeliverDue(context.Background())
		d.must(err)
		if n == 0 {
			break
		}
	}
	for _, m := range d.mailbox.mail {
		if m.Login != nil {
			list = append(list, m)
		}
	}
	return list
}

// login asks for a login and opens the mail.
func (d *door) login(email string) (username, password string) {
	d.t.Helper()
	shows(d.t, d.knock(email, d.passcode), 200)
	mails := d.logins()
	if len(mails) == 0 {
		d.t.Fatal("no mail")
	}
	m := mails[len(mails)-1].Login
	return m.Username, credentials.GroupOneTimePassword(m.Password.Reveal())
}

// signIn sends the form of the login page.
func (w *world) signIn(username, password, ownership, platform string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.post("/join/enroll/login/accept", form("username", username, "password", password, "ownership", ownership, "platform", platform), header...)
}

// byLogin is a body for enroll, by a one-time login.
func byLogin(id, serial, username, password string) string {
	return `{"enrollment_id":"` + id + `","credential":{"type":"one_time","username":"` + username + `","password":"` + password + `"},` +
		`"device":{"platform":"android","serial":"` + serial + `","manufacturer":"Google"}}`
}

// image is an answer to the byte, less what is every request's own.
func image(rec *httptest.ResponseRecorder) string {
	h := rec.Header().Clone()
	h.Del("X-Request-Id")
	h.Del("Date")
	return fmt.Sprint(rec.Code, h, rec.Body)
}

// wrongLogin is a password that is not the login's.
func wrongLogin(password string) string {
	if strings.HasPrefix(password, "A") {
		return "B" + password[1:]
	}
	return "A" + password[1:]
}
