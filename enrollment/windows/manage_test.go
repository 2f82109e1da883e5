package windows_test

import (
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment/windows"
)

// enrolled is a computer with a certificate, and no session yet.
func (w *world) enrolled(user string, n int) *computer {
	w.Helper()
	username, password := w.login(user)
	return w.computer(n).enroll(username, password)
}

func TestEachCommandOfAMessageGetsAStatus(t *testing.T) {
	c := newWorld(t).enrolled("ann", 1)
	answer := c.manage(c.sync(7, begins+`<Exec><CmdID>9</CmdID></Exec><Status><CmdID>10</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>`))
	status := func(ref, name, data string) string {
		return `<MsgRef>7</MsgRef><CmdRef>` + ref + `</CmdRef><Cmd>` + name + `</Cmd><Data>` + data + `</Data></Status>`
	}
	for _, want := range []string{
		`<SessionID>1</SessionID><MsgID>7</MsgID><Target><LocURI>` + c.id + `</LocURI></Target>`,
		status("0", "SyncHdr", "200"), status("2", "Alert", "200"), status("4", "Replace", "200"), status("9", "Exec", "406"),
	} {
		assert.Contains(t, answer, want)
	}
	assert.Equal(t, 4, strings.Count(answer, "<Status>"), "a status gets none")
	assert.Contains(t, answer, "<Get><CmdID>5</CmdID><Item><Target><LocURI>./DevDetail/Ext/Microsoft/DeviceName</LocURI></Target></Item></Get>")
	assert.True(t, strings.HasSuffix(answer, "<Final/></SyncBody></SyncML>"))
}

func TestASessionBeforeTheAnswerArrivedAndRepeatedMessagesEndInOneDevice(t *testing.T) {
	w := newWorld(t)
	username, password := w.login("ann")
	c := w.computer(1).enroll(username, password)
	lost := c.cert // it arrives late; the device asks again meanwhile
	c.session()
	c.enroll(username, password)
	for range 3 {
		c.session()
	}
	c.cert = lost
	c.manage(c.sync(2, c.answers(c.manage(c.sync(1, begins)), c.details())))
	c.manage(c.sync(1, begins))
	assert.Equal(t, device.Active, w.device().State)
}

func TestEverySessionIsContact(t *testing.T) {
	w := newWorld(t)
	c := w.enrolled("ann", 1)
	c.session()
	for range 5 {
		w.pass(20 * time.Hour)
		c.manage(c.sync(1, begins))
		_, err := w.svc.Sweep(t.Context())
		require.NoError(t, err)
		require.Equal(t, device.Active, w.device().State)
	}
	w.pass(25 * time.Hour)
	_, err := w.svc.Sweep(t.Context())
	require.NoError(t, err)
	assert.Equal(t, device.Unresponsive, w.device().State)
	c.session()
	assert.Equal(t, device.Active, w.device().State)
}

func TestAGoodbyeIsOneInAnyNamespaceAndFinal(t *testing.T) {
	for what, message := range map[string]string{
		"as it should be":        goodbye,
		"with white space":       strings.ReplaceAll(goodbye, "com.microsoft:mdm.unenrollment.userrequest", "\n com.microsoft:mdm.unenrollment.userrequest\t"),
		"with a typing mistake":  strings.ReplaceAll(goodbye, "syncml:metinf", "syncml:metinfo"),
		"beside a session begun": begins + strings.ReplaceAll(goodbye, "<CmdID>2<", "<CmdID>5<"),
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			c := w.enrolled("ann", 1)
			c.session()
			w.pass(time.Minute)
			answer := c.manage(c.sync(1, message))
			assert.Contains(t, answer, "<Cmd>Alert</Cmd><Data>200</Data>")
			assert.NotContains(t, answer, "<Get>")
			assert.Equal(t, device.Unenrolled, w.device().State)

			w.pass(time.Minute)
			answer = c.manage(c.sync(1, begins))
			assert.NotContains(t, answer, "<Get>")
			assert.NotContains(t, answer, "<Exec>")
			assert.Equal(t, device.Unenrolled, w.device().State, "a late session does not bring it back")
		})
	}
	w := newWorld(t)
	c := w.enrolled("ann", 1)
	c.session()
	c.manage(c.sync(1, strings.ReplaceAll(goodbye, "unenrollment.userrequest", "other")))
	assert.Equal(t, device.Active, w.device().State, "another alert is none")
}

func TestADeviceThatIsRemovedOrDeletedIsToldToLeave(t *testing.T) {
	const exec = `<LocURI>./Vendor/MSFT/DMClient/Provider/ExampleMDM/Unenroll</LocURI></Target><Meta><Format xmlns="syncml:metinf">chr</Format></Meta><Data>ExampleMDM</Data></Item></Exec>`
	w := newWorld(t)
	c := w.enrolled("ann", 1)
	c.session()
	_, err := w.svc.Remove(t.Context(), admin, w.device().ID)
	require.NoError(t, err)
	assert.Contains(t, c.manage(c.sync(1, begins)), exec)
	assert.NotContains(t, c.manage(c.sync(2, "")), "<Exec>", "once in a session")
	c.manage(c.sync(1, goodbye))
	assert.Equal(t, device.Unenrolled, w.device().State)

	d := w.enrolled("bob", 2)
	d.session()
	for _, row := range w.devices() {
		if row.User == "bob" {
			require.NoError(t, w.svc.Delete(t.Context(), admin, row.ID))
		}
	}
	assert.Contains(t, d.manage(d.sync(1, begins)), exec)
	d.manage(d.sync(1, goodbye))
	assert.NotContains(t, d.manage(d.sync(1, begins+strings.ReplaceAll(goodbye, "<CmdID>2<", "<CmdID>5<"))), "<Exec>", "who says goodbye is told nothing more")
}

func TestASessionWithACertificateThatIsNotTheDevicesIsRefused(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.enrolled("ann", 1), w.enrolled("bob", 2)
	for _, c := range []struct {
		what, code string
		cert       *x509.Certificate
		message    string
		later      time.Duration
	}{
		{"none", "certificate_missing", nil, ann.sync(1, begins), 0},
		{"another device's", "certificate_of_another", bob.cert, ann.sync(1, goodbye), 0},
		{"one of another authority", "certificate_unknown", newWorld(t).enrolled("ann", 1).cert, ann.sync(1, goodbye), 0},
		{"one that was made up", "certificate_unknown", selfSigned(ann), ann.sync(1, goodbye), 0},
		{"one whose time is up", "certificate_expired", ann.cert, ann.sync(1, goodbye), 400 * 24 * time.Hour},
	} {
		t.Run(c.what, func(t *testing.T) {
			w.pass(c.later)
			rec := w.postAs(c.cert, "/manage", c.message)
			assert.Equal(t, http.StatusForbidden, rec.Code)
			assert.Contains(t, w.reasons(), "windows/manage: "+c.code)
			for _, d := range w.devices() {
				assert.Equal(t, device.Pending, d.State)
				assert.False(t, d.Facts.Holds(device.ManagementProfile))
			}
		})
	}
}

// selfSigned is a certificate with another's name, of nobody's authority.
func selfSigned(c *computer) *x509.Certificate {
	fake := newAuthority(c.now)
	cert, err := fake.Issue(c.Context(), windows.CertificateRequest{Site: "acme", Enrollment: c.cert.Subject.CommonName, Public: c.key.Public()})
	require.NoError(c, err)
	return cert
}

func TestAMessageThatCannotBeMeantIsRefused(t *testing.T) {
	w := newWorld(t)
	c := w.enrolled("ann", 1)
	good := c.sync(1, begins)
	for _, m := range []struct {
		what   string
		status int
		text   string
	}{
		{"nothing", 400, ""},
		{"an envelope", 400, vector(t, "discover")},
		{"a document type", 400, "<!DOCTYPE x>" + good},
		{"another version", 400, strings.Replace(good, "DM/1.2", "DM/1.1", 1)},
		{"no number", 400, strings.Replace(good, "<MsgID>1<", "<MsgID>x<", 1)},
		{"a number that is too great", 400, strings.Replace(good, "<MsgID>1<", "<MsgID>99999999999<", 1)},
		{"a command without a number", 400, strings.Replace(good, "<CmdID>2</CmdID>", "", 1)},
		{"no sender", 400, strings.Replace(good, "<Source><LocURI>", "<Source><X>", 1)},
		{"too much", 413, good + strings.Repeat(" ", windows.MaxBody)},
	} {
		assert.Equal(t, m.status, w.postAs(c.cert, "/manage", m.text).Code, m.what)
	}
	assert.ElementsMatch(t, []string{"windows/manage: session_malformed", "windows/manage: too_large"}, w.reasons())
	assert.False(t, w.device().Facts.Holds(device.ManagementProfile))
}

func TestWhatADeviceSaysAtLengthOrInControlCharactersIsLeftOut(t *testing.T) {
	w := newWorld(t)
	c := w.enrolled("ann", 1)
	asked := c.manage(c.sync(1, begins))
	values := c.details()
	values["./DevDetail/Ext/Microsoft/DeviceName"] = strings.Repeat("x", 300)
	values["./DevInfo/Mod"] = "a\tb"
	c.manage(c.sync(2, c.answers(asked, values)+`<Results><CmdID>90</CmdID><Item><Source><LocURI>./Vendor/Other</LocURI></Source><Data>x</Data></Item></Results>`))
	d := w.device()
	assert.Equal(t, device.Active, d.State)
	assert.Equal(t, "DESKTOP-1", d.Name)
	assert.Empty(t, d.Model)
	assert.NotContains(t, string(d.Inventory), "Other")
	assert.NotContains(t, string(d.Inventory), "xxx")
}

// A proxy in front, and not this process, has seen the certificate.
func TestTheCertificateMayComeFromElsewhere(t *testing.T) {
	var cert *x509.Certificate
	var fails error
	w := newWorld(t, func(c *windows.Config) {
		c.ClientCertificate = func(*http.Request) (*x509.Certificate, error) { return cert, fails }
	})
	c := w.enrolled("ann", 1)
	cert, c.cert = c.cert, nil
	c.session()
	assert.Equal(t, device.Active, w.device().State)
	fails = errors.New("not a certificate")
	assert.Equal(t, http.StatusForbidden, w.post("/manage", c.sync(1, goodbye)).Code)
	assert.Equal(t, []string{"windows/manage: certificate_malformed"}, w.reasons())
}
