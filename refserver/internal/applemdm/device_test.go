package applemdm_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/micromdm/nanomdm/mdm"
	emulator "github.com/micromdm/nanomdm/test/enrollment"
	"github.com/micromdm/nanomdm/test/protocol"
	"github.com/micromdm/plist"
	"github.com/smallstep/pkcs7"
)

// profile is an enrollment profile as a device reads it.
type profile struct {
	PayloadContent []struct {
		PayloadType           string
		ServerURL, CheckInURL string
		Topic                 string
		PayloadContent        *struct {
			URL       string
			Challenge string
			Subject   [][][]string
		}
	}
}

func (p profile) of(kind string) int {
	for i, c := range p.PayloadContent {
		if c.PayloadType == kind {
			return i
		}
	}
	return -1
}

// phone is a device of our own: it installs a profile as a device does, and then
// speaks MDM through NanoMDM's emulator.
type phone struct {
	http    *http.Client
	product string
	serial  string
	udid    string
	spoil   func(request []byte) // changes a request for a certificate; nil: nothing
	only    *x509.Certificate    // encrypts to this one; nil: to all that the server names
	trusted []*x509.Certificate  // knows the server by these; nil: by those that it names
	reuse   *rsa.PrivateKey      // asks with this key; nil: another one each time

	profile  profile
	cert     *x509.Certificate
	key      *rsa.PrivateKey
	emulated *emulator.Enrollment
	channel  *protocol.Transport
}

// keys are made once: they take longer than everything else.
var keys = make(chan *rsa.PrivateKey, 4)

func newKey() *rsa.PrivateKey {
	select {
	case k := <-keys:
		return k
	default:
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return k
	}
}

func newPhone(client *http.Client, n int) *phone {
	return &phone{
		http: client, product: "iPhone12,1", serial: fmt.Sprintf("F2LX%08d", n), udid: fmt.Sprintf("00008030-%016X", n),
	}
}

// download fetches the profile, which is signed.
func (p *phone) download(ctx context.Context, address string) error {
	body, err := p.do(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	signed, err := pkcs7.Parse(body)
	if err != nil {
		return err
	}
	if err := signed.Verify(); err != nil {
		return err
	}
	return plist.Unmarshal(signed.Content, &p.profile)
}

// install is download and certify, and then being ready to speak.
func (p *phone) install(ctx context.Context, address string) error {
	if err := p.download(ctx, address); err != nil {
		return fmt.Errorf("download: %w", err)
	}
	if err := p.certify(ctx); err != nil {
		return fmt.Errorf("certify: %w", err)
	}
	return p.ready()
}

func (p *phone) ready() (err error) {
	m := p.profile.PayloadContent[p.profile.of("com.apple.mdm")]
	p.channel = protocol.NewTransport(
		protocol.WithSignMessage(), protocol.WithClient(p.http), protocol.WithMDMURLs(m.ServerURL, m.CheckInURL),
		protocol.WithIdentityProvider(func(context.Context) (*x509.Certificate, crypto.PrivateKey, error) { return p.cert, p.key, nil }),
	)
	p.emulated, err = emulated()
	return err
}

// emulated is NanoMDM's device emulator. It makes a key of its own, which takes
// its time and which we do not use, so there is one of it.
var emulated = sync.OnceValues(func() (*emulator.Enrollment, error) {
	return emulator.NewRandomDeviceEnrollment(nil, "", "", "")
})

// text is a property list of texts.
func text(pairs ...string) io.Reader {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd"><plist version="1.0"><dict>`)
	for i := 0; i+1 < len(pairs); i += 2 {
		fmt.Fprintf(&b, "<key>%s</key>", pairs[i])
		if strings.HasPrefix(pairs[i+1], "<") {
			b.WriteString(pairs[i+1])
		} else {
			fmt.Fprintf(&b, "<string>%s</string>", pairs[i+1])
		}
	}
	b.WriteString("</dict></plist>")
	return &b
}

func (p *phone) topic() string { return p.profile.PayloadContent[p.profile.of("com.apple.mdm")].Topic }

func (p *phone) authenticate(ctx context.Context) error {
	return status(p.channel.DoCheckIn(ctx, text("MessageType", "Authenticate", "Topic", p.topic(), "UDID", p.udid,
		"OSVersion", "18.2.1", "BuildVersion", "22C161", "ProductName", p.product, "SerialNumber", p.serial)))
}

// tokenUpdate is the emulator's, with our certificate.
func (p *phone) tokenUpdate(ctx context.Context) error {
	body, err := p.emulatedUpdate()
	if err != nil {
		return err
	}
	return status(p.channel.DoCheckIn(ctx, body))
}

// emulating is held while a phone uses the emulator, which they share.
var emulating sync.Mutex

func (p *phone) emulatedUpdate() (io.Reader, error) {
	emulating.Lock()
	defer emulating.Unlock()
	*p.emulated.GetEnrollment() = mdm.Enrollment{UDID: p.udid}
	*p.emulated.GetPush() = mdm.Push{Topic: p.topic(), PushMagic: "magic " + p.udid, Token: []byte("push token")}
	return p.emulated.GenTokenUpdate()
}

func (p *phone) setBootstrapToken(ctx context.Context, token string) error {
	return status(p.channel.DoCheckIn(ctx, text("MessageType", "SetBootstrapToken", "UDID", p.udid,
		"BootstrapToken", "<data>"+base64.StdEncoding.EncodeToString([]byte(token))+"</data>")))
}

// bootstrapToken is the one that the server keeps.
func (p *phone) bootstrapToken(ctx context.Context) (string, error) {
	answer, err := p.channel.DoCheckIn(ctx, text("MessageType", "GetBootstrapToken", "UDID", p.udid))
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = &statusError{answer.StatusCode, string(body)}
	}
	if err != nil {
		return "", err
	}
	var said struct{ BootstrapToken []byte }
	err = plist.Unmarshal(body, &said)
	return string(said.BootstrapToken), err
}

func (p *phone) checkOut(ctx context.Context) error {
	return status(p.channel.DoCheckIn(ctx, text("MessageType", "CheckOut", "Topic", p.topic(), "UDID", p.udid)))
}

// work asks for commands and answers them until there are none, and returns what
// they were.
func (p *phone) work(ctx context.Context) (kinds []string, err error) {
	report := text("Status", "Idle", "UDID", p.udid)
	for {
		answer, err := p.channel.DoReportResultsAndFetchNext(ctx, report)
		if err != nil {
			return kinds, err
		}
		body, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if err != nil {
			return kinds, err
		}
		if answer.StatusCode != http.StatusOK {
			return kinds, &statusError{answer.StatusCode, string(body)}
		}
		if len(body) == 0 {
			return kinds, nil
		}
		cmd, err := mdm.DecodeCommand(body)
		if err != nil {
			return kinds, err
		}
		kinds = append(kinds, cmd.Command.RequestType)
		report = p.answer(cmd)
	}
}

func (p *phone) answer(cmd *mdm.Command) io.Reader {
	pairs := []string{"Status", "Acknowledged", "UDID", p.udid, "CommandUUID", cmd.CommandUUID}
	switch cmd.Command.RequestType {
	case "DeviceInformation":
		supervised := "<false/>"
		if strings.Contains(p.product, "Mac") {
			supervised = "<true/>"
		}
		pairs = append(pairs, "QueryResponses", "<dict><key>DeviceName</key><string>Ann's iPhone</string><key>OSVersion</key><string>18.2.1</string><key>ProductName</key><string>"+
			p.product+"</string><key>SerialNumber</key><string>"+p.serial+"</string><key>DeviceCapacity</key><real>119.2</real><key>IsSupervised</key>"+supervised+"</dict>")
	case "SecurityInfo":
		pairs = append(pairs, "SecurityInfo", "<dict><key>ManagementStatus</key><dict><key>EnrolledViaDEP</key><false/><key>UserApprovedEnrollment</key><true/></dict></dict>")
	}
	return text(pairs...)
}

// statusError is an answer that says no.
type statusError struct {
	status int
	body   string
}

// errStatus is any answer with a status, for comparing.
func errStatus(status int) error { return &statusError{status: status} }

func (e *statusError) Is(target error) bool {
	other, ok := target.(*statusError)
	return ok && other.body == "" && other.status == e.status
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.body) }

func status(r *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK {
		return &statusError{r.StatusCode, string(body)}
	}
	return nil
}

// statusOf is the status of an error, 200 for none.
func statusOf(err error) int {
	if err == nil {
		return http.StatusOK
	}
	if s, ok := errors.AsType[*statusError](err); ok {
		return s.status
	}
	return 0
}

func (p *phone) do(ctx context.Context, method, address string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	answer, err := p.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	out, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = &statusError{answer.StatusCode, string(out)}
	}
	return out, err
}

// signed sends any body as a device with this identity, to a path of the server.
func (p *phone) signed(ctx context.Context, address, mediaType string, body []byte) error {
	signature, err := p.channel.SignMessage(ctx, body)
	if err != nil {
		return err
	}
	return p.raw(ctx, address, mediaType, signature, body)
}

func (p *phone) raw(ctx context.Context, address, mediaType, signature string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", mediaType)
	if signature != "" {
		r.Header.Set("Mdm-Signature", signature)
	}
	return status(p.http.Do(r))
}
