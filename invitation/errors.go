package invitation

import (
	"errors"
	"time"
)

// Why an invitation cannot be used. They are answers about one invitation whose
// secret the caller has already shown, so they may be told to the caller.
var (
	ErrDeactivated = errors.New("invitation: deactivated")
	ErrExpired     = errors.New("invitation: expired")
	ErrExhausted   = errors.New("invitation: no device left")
)

// ExpiredError is an [ErrExpired] that says since when, for who has to judge what
// happened before.
type ExpiredError struct {
	At time.Time // the first moment at which nobody enrolls by it any more
}

func (e *ExpiredError) Error() string { return ErrExpired.Error() }

// Unwrap returns [ErrExpired].
func (e *ExpiredError) Unwrap() error { return ErrExpired }
