package console

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/refserver/internal/accounts"
)

// action is something that is asked about before it is done, on a page of its
// own.
type action struct {
	path, title, question, button string
	back                          string // the list
	done                          string
	stays                         bool // the row is still there afterwards
	// about names what it is about, and refuses what is not there.
	about func(ctx context.Context, c *Console, by enrollment.Actor, id string) (string, error)
	do    func(ctx context.Context, c *Console, by enrollment.Actor, id string) error
}

// confirmed is every such action.
var confirmed = []action{
	{
		path: "/invitations/{id}/deactivate", title: "Deactivate invitation", button: "Deactivate",
		question: "Nobody can enroll with this invitation any more: not by its link, its QR code or its PIN. Devices that are enrolled stay. This cannot be undone; you can invite the user again.",
		back:     "/invitations", done: "deactivated", stays: true, about: aboutInvitation,
		do: func(ctx context.Context, c *Console, by enrollment.Actor, id string) error {
			_, err := c.Service.Deactivate(ctx, by, id)
			return err
		},
	},
	{
		path: "/invitations/{id}/new-pin", title: "New PIN", button: "Make a new PIN",
		question: "The present PIN stops working. The link and the QR code stay as they are, and nothing is mailed.",
		back:     "/invitations", done: "new_pin", stays: true, about: aboutInvitation,
		do: func(ctx context.Context, c *Console, by enrollment.Actor, id string) error {
			_, err := c.Service.NewPIN(ctx, by, id)
			return err
		},
	},
	{
		path: "/devices/{id}/remove", title: "Remove device from management", button: "Remove",
		question: "The device is told to leave management and counts as leaving until it has gone.",
		back:     "/devices", done: "removed", stays: true, about: aboutDevice,
		do: func(ctx context.Context, c *Console, by enrollment.Actor, id string) error {
			_, err := c.Service.Remove(ctx, by, id)
			return err
		},
	},
	{
		path: "/devices/{id}/delete", title: "Delete device", button: "Delete",
		question: "The device disappears from the list and its access ends at once. It is not told to leave; to do that, remove it. If its invitation is still active, it can enroll again as a new device.",
		back:     "/devices", done: "deleted", about: aboutDevice,
		do: func(ctx context.Context, c *Console, by enrollment.Actor, id string) error {
			return c.Service.Delete(ctx, by, id)
		},
	},
	{
		path: "/devices/{id}/release", title: "Resolve the conflict", button: "Release the old device",
		question: "Two devices claim the same hardware. The one that held it first gives it up and lives on without; the one that came later takes it over. Do this once you know that the hardware has changed hands.",
		back:     "/devices", done: "released", stays: true, about: aboutDevice,
		do: func(ctx context.Context, c *Console, by enrollment.Actor, id string) error {
			_, err := c.Service.Release(ctx, by, id)
			return err
		},
	},
	{
		path: "/users/{id}/erase", title: "Erase everything about a person", button: "Erase",
		question: "The person leaves the directory; name and address are erased wherever they stand, the invitation ends, the devices are deleted and their access ends at once, and mail in the built-in mailbox goes, and so do lists of users that were checked and not imported. The journal keeps ids only. This cannot be undone.",
		back:     "/users", done: "erased", about: aboutUser,
		do: func(ctx context.Context, c *Console, by enrollment.Actor, id string) error {
			return c.Erase(ctx, by, id)
		},
	},
}

func aboutUser(ctx context.Context, c *Console, by enrollment.Actor, id string) (string, error) {
	u, err := c.Accounts.User(ctx, by.Site, id)
	return person(u.Name, u.Email), err
}

func aboutInvitation(ctx context.Context, c *Console, by enrollment.Actor, id string) (string, error) {
	inv, err := c.Service.Invitation(ctx, by, id)
	return person(inv.User.Name, inv.Email), err
}

func aboutDevice(ctx context.Context, c *Console, by enrollment.Actor, id string) (string, error) {
	d, err := c.Service.Device(ctx, by, id)
	if d.Name == "" {
		return "A device of " + person(d.User.Name, d.User.Email), err
	}
	return d.Name + ", " + person(d.User.Name, d.User.Email), err
}

func person(name, email string) string {
	switch {
	case name == "":
		return email
	case email == "":
		return name
	}
	return name + " (" + email + ")"
}

// confirmData is the page that asks.
type confirmData struct {
	Question, Button, About string
	Back                    string
}

func (c *Console) confirmPage(a action) screen {
	return func(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
		about, err := a.about(r.Context(), c, by.Actor(), id(r))
		if err != nil {
			return err
		}
		c.render(w, r, by, http.StatusOK, "confirm", a.title, confirmData{a.question, a.button, about, a.back + "/" + id(r)})
		return nil
	}
}

func (c *Console) confirmDo(a action) screen {
	return func(w http.ResponseWriter, r *http.Request, by accounts.Principal) error {
		if err := a.do(r.Context(), c, by.Actor(), id(r)); err != nil {
			return err
		}
		where := a.back
		if a.stays {
			where += "/" + id(r)
		}
		return c.done(w, r, where, a.done)
	}
}

// retryAfter is a wait in whole seconds.
func retryAfter(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
