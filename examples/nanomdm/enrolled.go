package main

import (
	"sync"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
)

// enrolled is which device each enrollment became. enrollkit needs to be told, so
// that it knows a device that was deleted from one that it never had. It is in memory
// here; in earnest it is a table beside NanoMDM's, and stays as long as certificates
// are good. It is safe for concurrent use.
type enrolled struct {
	mu      sync.Mutex
	devices map[apple.Sender]string
}

func newEnrolled() *enrolled { return &enrolled{devices: map[apple.Sender]string{}} }

// as is the sender with the device that it became, if it is known.
func (e *enrolled) as(from apple.Sender) apple.Sender {
	e.mu.Lock()
	defer e.mu.Unlock()
	from.Device = e.devices[from]
	return from
}

// keep takes the answer to a message of from.
func (e *enrolled) keep(from apple.Sender, status enrollment.Status, err error) error {
	if err == nil && from.Enrollment != "" {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.devices[apple.Sender{Site: from.Site, Enrollment: from.Enrollment}] = status.Device
	}
	return err
}
