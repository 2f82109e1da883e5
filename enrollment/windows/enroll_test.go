package windows_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

func TestAComputerEnrollsByASelfServiceLogin(t *testing.T) {
	w := newWorld(t)
	username, password := w.login("ann")
	c := w.computer(1)

	assert.Contains(t, c.policies(username, password), "<minimalKeyLength>2048</minimalKeyLength>")
	assert.Empty(t, w.devices(), "asking for the policies enrolls nothing")
	c.enroll(username, password)

	d := w.device()
	assert.Equal(t, device.Pending, d.State)
	assert.Equal(t, "ann", d.User)
	assert.Equal(t, device.Windows, d.Platform)
	assert.Equal(t, device.WindowsMode, d.Mode)
	assert.Equal(t, "DESKTOP-1", d.Name)
	assert.Equal(t, device.Hardware{HWDevID: "00AA11BB01"}, d.Hardware)
	assert.Equal(t, "10.0.22631.0", d.OSVersion)

	asked := c.manage(c.sync(1, begins))
	assert.Equal(t, "pending inventory_received", state(w.device()))
	c.manage(c.sync(2, c.answers(asked, c.details())))
	d = w.device()
	assert.Equal(t, device.Active, d.State)
	assert.Equal(t, "10.0.22631.4317", d.OSVersion)
	assert.Equal(t, "SN-00AA11BB01", d.Hardware.Serial)
	assert.Equal(t, "Contoso", d.Manufacturer)
	assert.Equal(t, "Book 3", d.Model)
	inventory := map[string]string{}
	require.NoError(t, json.Unmarshal(d.Inventory, &inventory))
	assert.Equal(t, "Windows 11 Pro", inventory["OSPlatform"])
	assert.Empty(t, w.reasons())
}

func state(d device.Device) string {
	missing := d.Missing(nil)
	if len(missing) == 0 {
		return string(d.State)
	}
	return fmt.Sprint(string(d.State), " ", missing[0])
}

func TestAComputerEnrollsByTheAddressAndPasswordOfAnInvitation(t *testing.T) {
	w := newWorld(t)
	id, token, next := w.invite("ann")
	require.Equal(t, device.SignIn, next.Action)
	require.Equal(t, "ann@example.com", next.Username)
	assert.Equal(t, "ms-device-enrollment:?mode=mdm&username=ann%40example.com&servername=https%3A%2F%2Fmdm.example.com&ownership=2", next.URL)

	c := w.computer(1)
	c.policies(next.Username, next.Password.Reveal())
	c.enroll(next.Username, next.Password.Reveal())
	c.session()
	d := w.device()
	assert.Equal(t, device.Active, d.State)
	assert.Equal(t, id, d.Invitation)
	assert.Equal(t, device.Personal, d.Ownership)

	assert.Equal(t, "s:Authentication", w.refused(w.soap("/enrollment", w.computer(2).request(next.Username, next.Password.Reveal()))),
		"the password is good for one device")
	second := w.accept(token)
	assert.NotEqual(t, next.Password.Reveal(), second.Password.Reveal())
	w.computer(2).enroll(second.Username, second.Password.Reveal())
	assert.Len(t, w.devices(), 2)
}

func TestTheLinkAfterALoginHasItsUserNameInTheFormOfAnAddress(t *testing.T) {
	w := newWorld(t)
	username, password := w.login("ann")
	offer, err := w.svc.AcceptLogin(t.Context(), enrollment.Login{
		Username: username, Password: credentials.SecretString(password), Source: netip.MustParseAddr("192.0.2.1"),
	}, enrollment.AcceptRequest{Ownership: device.Company, Platform: device.Windows})
	require.NoError(t, err)
	link, err := url.Parse(offer.Next.URL)
	require.NoError(t, err)
	account := link.Query().Get("username")
	assert.Equal(t, username+"@mdm.example.com", account)
	assert.Equal(t, username, offer.Next.Username)
	w.computer(1).enroll(account, password).session()
	assert.Equal(t, device.Active, w.device().State)
}

// A lost answer is asked for again, from the beginning.
func TestARepeatedRequestGetsTheSameDeviceAndAnotherCertificate(t *testing.T) {
	w := newWorld(t)
	username, password := w.login("ann")
	c := w.computer(1).enroll(username, password)
	first := c.cert

	w.pass(time.Hour)
	c.policies(username, password)
	c.enroll(username, password)
	assert.NotEqual(t, first.SerialNumber, c.cert.SerialNumber)
	assert.Equal(t, first.Subject.CommonName, c.cert.Subject.CommonName)
	assert.Len(t, w.devices(), 1)

	c.session()
	c.cert = first // both certificates are this device's
	c.session()
	assert.Equal(t, device.Active, w.device().State)
}

// Windows may make another DeviceID for each attempt.
func TestAComputerThatCallsItselfAnotherInItsNextAttemptIsTheSameDevice(t *testing.T) {
	w := newWorld(t)
	_, _, next := w.invite("ann")
	for user, login := range map[string]func() (string, string){
		"bob": func() (string, string) { return w.login("bob") },
		"ann": func() (string, string) { return next.Username, next.Password.Reveal() },
	} {
		t.Run(user, func(t *testing.T) {
			c := w.computer(3 + len(w.devices()))
			username, password := login()
			first := c.enroll(username, password).cert
			before := w.devices()
			id := c.id
			c.id = "ANOTHER-ATTEMPT"
			c.enroll(username, password).session()
			assert.Equal(t, http.StatusForbidden, w.postAs(first, "/manage", c.sync(1, begins)).Code, "a certificate is of its attempt")
			c.id, c.cert = id, first
			c.session()
			assert.Len(t, w.devices(), len(before))
		})
	}
}

func TestALoginIsOfNoUseToAnotherComputer(t *testing.T) {
	w := newWorld(t)
	username, password := w.login("ann")
	w.computer(1).enroll(username, password)
	before := w.device()
	for what, other := range map[string]*computer{
		"another computer":                       w.computer(2),
		"one that calls itself the same":         {world: w, id: w.computer(1).id, hardware: "OTHER", name: "X", kind: "Full", key: keys[0]()},
		"one that has the hardware for its name": {world: w, id: "00AA11BB01", hardware: "None", name: "X", kind: "Full", key: keys[0]()},
	} {
		t.Run(what, func(t *testing.T) {
			assert.Equal(t, "s:Authentication", w.refused(w.soap("/enrollment", other.request(username, password))))
			assert.Equal(t, before, w.device(), "and it changes nothing")
		})
	}
	assert.Equal(t, []string{"windows/enroll: grant_used"}, w.reasons())
	w.pass(25 * time.Hour)
	assert.Equal(t, "s:Authentication", w.refused(w.soap("/enrollment", w.computer(1).request(username, password))), "after a day it is over for all")
}

func TestTwoRequestsAtOnceEndInOneDevice(t *testing.T) {
	w := newWorld(t)
	username, password := w.login("ann")
	c := w.computer(1)
	answers := make([]string, 3) // more of one login at once are told to wait
	var group sync.WaitGroup
	for i := range answers {
		message := c.request(username, password)
		group.Go(func() { answers[i] = w.post("/enrollment", message).Body.String() })
	}
	group.Wait()
	for _, answer := range answers {
		c.keep(answer)
		c.session()
	}
	assert.Equal(t, device.Active, w.device().State)
}

func TestSixtyFourComputersWithOneLoginEndInOneDevice(t *testing.T) {
	w := newWorld(t)
	username, password := w.login("ann")
	var group sync.WaitGroup
	answers := make([]string, 64)
	for i := range answers {
		message := w.computer(i).request(username, password)
		group.Go(func() { answers[i] = w.post("/enrollment", message).Body.String() })
	}
	group.Wait()
	enrolled := 0
	for _, answer := range answers {
		if w.wasIssued(answer) {
			enrolled++
		}
	}
	assert.Equal(t, 1, enrolled)
	assert.Len(t, w.devices(), 1)
}

func (w *world) wasIssued(answer string) bool { return between(answer, "<RequestID", "<") != "" }

// What came before can be done again, whatever it ended with.
func TestNothingIsLostWhereAStepFails(t *testing.T) {
	w := newWorld(t)
	username, password := w.login("ann")
	c := w.computer(1)

	w.authority.fails = errors.New("the disk is full")
	assert.Equal(t, "s:EnrollmentServer", w.refused(w.soap("/enrollment", c.request(username, password))))
	require.Len(t, w.devices(), 1, "the device is there and has no certificate yet")
	assert.Empty(t, w.reasons(), "an accident refuses nobody")

	w.authority.fails = nil
	c.enroll(username, password).session()
	assert.Equal(t, device.Active, w.device().State)
}

// An authority that hands out what the device would not take is found out here.
func TestACertificateThatDoesNotFitIsNotHandedOut(t *testing.T) {
	w := newWorld(t)
	username, password := w.login("ann")
	c := w.computer(1)
	for what, change := range map[string]func(){
		"of another root":           func() { w.authority.swapRoot = true },
		"that names the site, too":  func() { w.authority.organization = []string{"acme"} },
		"of roots that never stand": func() { w.authority.rotates = 2 },
	} {
		change()
		assert.Equal(t, "a:InternalServiceFault", w.refused(w.soap("/enrollment", c.request(username, password))), what)
		w.authority.swapRoot, w.authority.organization = false, nil
	}
	w.authority.rotates = 1
	c.enroll(username, password)
	c.session()
	assert.Equal(t, device.Active, w.device().State, "a root that is new since a moment ago")
}

func TestAComputerThatLeftComesBackByANewLoginAsTheSameDevice(t *testing.T) {
	w := newWorld(t)
	username, password := w.login("ann")
	c := w.computer(1).enroll(username, password)
	c.session()
	c.manage(c.sync(1, goodbye))
	d := w.device()
	require.Equal(t, device.Unenrolled, d.State)
	old := c.cert

	assert.Equal(t, "s:Authentication", w.refused(w.soap("/enrollment", c.request(username, password))), "the login was used")
	w.pass(time.Minute)
	username, password = w.login("ann")
	c.id = "ANOTHER-INSTALLATION"
	c.enroll(username, password).session()
	back := w.device()
	assert.Equal(t, d.ID, back.ID)
	assert.Equal(t, 2, back.Generation)
	assert.Equal(t, device.Active, back.State)

	// The certificate from before says nothing of the device any more.
	c.id, c.cert = w.computer(1).id, old
	assert.NotContains(t, c.manage(c.sync(1, begins)), "<Get>")
	c.manage(c.sync(1, goodbye))
	assert.Equal(t, device.Active, w.device().State)
	assert.Equal(t, 1, count(w.reasons(), "windows/manage: superseded"), "which the journal has once an hour")
}

func count(list []string, what string) (n int) {
	for _, s := range list {
		if s == what {
			n++
		}
	}
	return n
}

func TestWhatVendorsShipOnManyMachinesIdentifiesNone(t *testing.T) {
	w := newWorld(t)
	for n := range 2 {
		c := w.computer(n)
		c.hardware = "To be filled by O.E.M."
		username, password := w.login("ann")
		c.enroll(username, password)
		asked := c.manage(c.sync(1, begins))
		values := c.details()
		values["./DevDetail/Ext/Microsoft/SMBIOSSerialNumber"] = "Default string"
		c.manage(c.sync(2, c.answers(asked, values)))
	}
	list := w.devices()
	require.Len(t, list, 2)
	for _, d := range list {
		assert.Equal(t, device.Hardware{}, d.Hardware)
		assert.Empty(t, d.Conflict)
		assert.Equal(t, device.Active, d.State)
	}
}

func TestAnothersHardwareIsInConflictAndNotTakenOver(t *testing.T) {
	w := newWorld(t)
	username, password := w.login("ann")
	ann := w.computer(1).enroll(username, password)
	ann.session()
	username, password = w.login("bob")
	bob := w.computer(1).enroll(username, password)
	require.Len(t, w.devices(), 2)
	bob.manage(bob.sync(1, goodbye))
	ann.session()
	for _, d := range w.devices() {
		if d.User == "ann" {
			assert.Equal(t, device.Active, d.State)
		} else {
			assert.Equal(t, device.Unenrolled, d.State)
		}
	}
}

// Some of what a device keeps is for the user, some for the computer.
func TestTheCertificateGoesToTheStoreOfTheEnrollment(t *testing.T) {
	for kind, want := range map[string]string{"Full": "My%5CUser", "Device": "My%5CSystem"} {
		w := newWorld(t)
		username, password := w.login("ann")
		c := w.computer(1)
		c.kind = kind
		answer := w.soap("/enrollment", c.request(username, password))
		c.keep(answer)
		doc := w.document(answer)
		assert.Equal(t, "Subject=CN%3d"+c.cert.Subject.CommonName+"&Stores="+want, doc.parm("APPLICATION", "SSLCLIENTCERTSEARCHCRITERIA"))
		assert.Equal(t, "Acme & Sons", doc.parm("APPLICATION", "NAME"))
		assert.Equal(t, "ExampleMDM", doc.parm("APPLICATION", "PROVIDER-ID"))
		assert.Equal(t, "https://mdm.example.com/join/platform/windows/manage", doc.parm("APPLICATION", "ADDR"))
		assert.Equal(t, username, doc.parm("DMClient", "Provider", "ExampleMDM", "UPN"))
		assert.Equal(t, c.id, doc.parm("DMClient", "Provider", "ExampleMDM", "EntDMID"), "without it, Windows does not renew")
		assert.Equal(t, "480", doc.parm("DMClient", "Provider", "ExampleMDM", "Poll", "IntervalForRemainingScheduledRetries"),
			"three times in the time after which a device counts as silent")
		assert.LessOrEqual(t, len(c.cert.Subject.CommonName), 64)
	}
}
