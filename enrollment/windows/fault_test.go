package windows_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/windows"
	"example.com/enrollkit/invitation"
)

func TestEachErrorIsToldByItsFault(t *testing.T) {
	field := func(name string) error {
		return &enrollment.ValidationError{Fields: []enrollment.FieldError{{Field: name, Code: "malformed"}}}
	}
	for _, c := range []struct {
		err         error
		fault, code string
	}{
		{enrollment.ErrCredentialRefused, "Authentication", "credential_refused"},
		{enrollment.ErrLoginUsed, "Authentication", "login_used"},
		{enrollment.ErrLoginExpired, "Authentication", "login_expired"},
		{enrollment.ErrGrantUsed, "Authentication", "grant_used"},
		{enrollment.ErrGrantRefused, "Authentication", "grant_refused"},
		{enrollment.ErrGrantExpired, "Authentication", "grant_expired"},
		{enrollment.ErrSuperseded, "Authentication", "superseded"},
		{&enrollment.PacedError{RetryAt: time.Now()}, "Authentication", "paced"},
		{field("username"), "Authentication", "invalid"},
		{field("password"), "Authentication", "invalid"},
		{enrollment.ErrSelfServiceOff, "Authorization", "self_service_off"},
		{enrollment.ErrInvitationUnknown, "Authorization", "invitation_unknown"},
		{invitation.ErrDeactivated, "Authorization", "invitation_deactivated"},
		{invitation.ErrExpired, "Authorization", "invitation_expired"},
		{enrollment.ErrDeviceGone, "Authorization", "device_gone"},
		{invitation.ErrExhausted, "DeviceCapReached", "invitation_exhausted"},
		{enrollment.ErrSiteFull, "UserLicense", "site_full"},
		{field("mode"), "DeviceNotSupported", "invalid"},
		{field("device.name"), "InvalidEnrollmentData", "invalid"},
		{windows.ErrCertificateUnknown, "NotEligibleToRenew", "certificate_unknown"},
		{windows.ErrCertificateExpired, "NotEligibleToRenew", "certificate_expired"},
		{enrollment.ErrStale, "EnrollmentServer", "conflict"},
		{enrollment.ErrNotFound, "EnrollmentServer", "not_found"},
		{context.DeadlineExceeded, "EnrollmentServer", "unavailable"},
	} {
		fault, code := windows.FaultOf(fmt.Errorf("around it: %w", c.err))
		assert.Equal(t, c.fault, fault, c.err)
		assert.Equal(t, c.code, code, c.err)
	}
}
