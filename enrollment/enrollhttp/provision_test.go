package enrollhttp_test

import (
	"context"
	"testing"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// provisions is a platform whose devices start on their first screen.
type provisions struct {
	payload
	typed, identifier string
}

func (p provisions) NextStep(_ context.Context, o enrollment.Offer) (enrollment.NextStep, error) {
	return enrollment.NextStep{
		Platform: o.Platform, Mode: o.Mode, Action: device.ProvisionDevice, Typed: p.typed,
		Agent: enrollment.Agent{Name: "Acme Agent", Identifier: p.identifier},
	}, nil
}

func TestANewDeviceIsStartedByItsCodeOrByWhatIsTyped(t *testing.T) {
	android := payload{serves{name: "android", list: []device.Platform{device.Android}}, "{}"}
	for name, c := range map[string]struct {
		platform     provisions
		shown, never []string
	}{
		"a code": {provisions{android, "", ""}, []string{"tap the same place six times", "Enter your e-mail address and the PIN"}, []string{"Google account", "afw#"}},
		"a code, or else typed": {
			provisions{android, "", "afw#acme"},
			[]string{"tap the same place six times", "type afw#acme where it asks for a Google account"}, nil,
		},
		"typed alone": {
			provisions{android, "afw#acme", "afw#acme"},
			[]string{"Type afw#acme there, and let it install Acme Agent.", `src="qr.png?platform=android"`, `width="384"`}, []string{"six times"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, with(c.platform))
			rec := w.submit("ownership=company&platform=android", "User-Agent", edgeWindows)
			shows(t, rec, 200, c.shown...)
			hides(t, rec, c.never...)
		})
	}
}
