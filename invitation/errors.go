package invitation

import "errors"

// Why an invitation cannot be used. They are answers about one invitation whose
// secret the caller has already shown, so they may be told to the caller.
var (
	ErrDeactivated = errors.New("invitation: deactivated")
	ErrExpired     = errors.New("invitation: expired")
	ErrExhausted   = errors.New("invitation: no device left")
)
