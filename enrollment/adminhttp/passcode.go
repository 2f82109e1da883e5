package adminhttp

import (
	"net/http"
	"time"

	"example.com/enrollkit/enrollment"
)

// passcodeView is the company passcode without the passcode.
type passcodeView struct {
	Status         string     `json:"status"`
	Generation     int        `json:"generation"` // 0: never generated
	GeneratedAt    *time.Time `json:"generated_at"`
	GeneratedBy    string     `json:"generated_by"` // an address, or the id of whose is not known
	FailedAttempts int        `json:"failed_attempts"`
	AlertLevel     int        `json:"alert_level"` // 0: nobody is told before the lock
	LockLevel      int        `json:"lock_level"`
	AsOf           *time.Time `json:"as_of"`
}

// generatedPasscodeView is the passcode that was just made.
type generatedPasscodeView struct {
	passcodeView
	Passcode string `json:"passcode"`
}

// revealedPasscodeView is the passcode alone.
type revealedPasscodeView struct {
	Passcode string `json:"passcode"`
}

func showPasscode(d enrollment.PasscodeDetail) passcodeView {
	by := d.GeneratedByEmail
	if by == "" {
		by = d.GeneratedBy
	}
	return passcodeView{
		Status: string(d.Status), Generation: d.Generation,
		GeneratedAt: stamp(d.GeneratedAt), GeneratedBy: by, FailedAttempts: d.FailedAttempts,
		AlertLevel: max(d.AlertLevel, 0), // credentials.Off is 0 on the wire
		LockLevel:  d.LockLevel, AsOf: stamp(d.AsOf),
	}
}

func (a *api) passcode(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	detail, err := a.svc.Passcode(r.Context(), by)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, showPasscode(detail))
}

func (a *api) generatePasscode(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	if err := nothing(w, r); err != nil {
		return err
	}
	passcode, detail, err := a.svc.GeneratePasscode(r.Context(), by)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, generatedPasscodeView{showPasscode(detail), passcode.Reveal()})
}

func (a *api) disablePasscode(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	if err := nothing(w, r); err != nil {
		return err
	}
	detail, err := a.svc.DisablePasscode(r.Context(), by)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, showPasscode(detail))
}

func (a *api) revealPasscode(w http.ResponseWriter, r *http.Request, by enrollment.Actor) error {
	if err := nothing(w, r); err != nil {
		return err
	}
	passcode, err := a.svc.RevealPasscode(r.Context(), by)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, revealedPasscodeView{passcode.Reveal()})
}
