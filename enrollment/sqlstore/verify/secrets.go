package verify

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore"
)

// errOther says that a MAC is not that of the secret it should be.
var errOther = errors.New("another")

// proves compares a stored MAC with a secret: nil, an error wrapping
// credentials.ErrUnknownKey, or another.
func (c *checker) proves(stored []byte, p credentials.Purpose, s credentials.Secret, context ...string) error {
	mac, err := credentials.ParseMAC(stored)
	if err != nil {
		return err
	}
	ok, err := c.o.Keyring.VerifySecret(mac, p, s, context...)
	if err == nil && !ok {
		err = errOther
	}
	return err
}

// judge notes what is wrong with something secret: by rule, or by the rule about
// keys where its key is not in the ring. What the error says is not told, since
// it is about a secret.
func (c *checker) judge(rule, what, wrong string, err error) {
	switch {
	case err == nil:
	case errors.Is(err, credentials.ErrUnknownKey):
		c.say(keysKnown, "%s: its key is not in the ring", what)
	default:
		c.say(rule, "%s: %s", what, wrong)
	}
}

// secretRow is what is looked at of a credential.
type secretRow struct {
	site, owner  string
	generation   int
	index, check []byte
	sealed, data []byte
}

// secrets reads the credentials of a kind.
func (c *checker) secrets(ctx context.Context, kind enrollment.CredentialKind, look func(*secretRow)) error {
	return c.query(ctx, "SELECT site, owner, generation, index_mac, check_mac, sealed, data FROM @credentials WHERE kind = ?", []any{string(kind)},
		func(r sqlstore.Rows) error {
			var s secretRow
			err := r.Scan(&s.site, &s.owner, &s.generation, &s.index, &s.check, &s.sealed, &s.data)
			if err == nil {
				look(&s)
			}
			return err
		})
}

// aad is the place that a row's envelope is bound to.
func (s *secretRow) aad(kind enrollment.CredentialKind) credentials.AAD {
	return credentials.AAD{Site: s.site, Owner: s.owner, Kind: string(kind), Generation: s.generation}
}

// invitationSecrets does what showing and proving an invitation's credentials
// does.
func invitationSecrets(ctx context.Context, c *checker) error {
	// Of a person who was erased the row is left, without address and name.
	err := c.each(ctx, credentialSets, `SELECT i.id || ' is ' || i.state FROM @invitations i LEFT JOIN @credentials c
			ON c.site = i.site AND c.owner = i.id AND c.kind = 'invitation'
		WHERE (c.owner IS NULL AND (i.state <> 'deactivated' OR i.email <> '' OR i.name <> ''))
		  OR c.generation <> i.pin_generation OR (c.owner IS NOT NULL AND c.index_mac IS NULL)
		  OR (c.owner IS NOT NULL AND (i.state <> 'deactivated') <> (c.sealed IS NOT NULL))
		  OR (c.owner IS NOT NULL AND i.state <> 'deactivated' AND c.check_mac IS NULL)`)
	if err != nil {
		return err
	}
	err = c.each(ctx, credentialSets, `SELECT 'of no invitation: ' || c.owner FROM @credentials c WHERE c.kind = 'invitation'
		AND NOT EXISTS (SELECT 1 FROM @invitations i WHERE i.site = c.site AND i.id = c.owner)`)
	if err != nil || !c.byKey(credentialsOpen, true) {
		return err
	}
	return c.secrets(ctx, enrollment.KindInvitation, func(s *secretRow) {
		if s.sealed == nil {
			return
		}
		set, err := c.o.Keyring.OpenSet(s.aad(enrollment.KindInvitation), s.sealed)
		if err != nil {
			c.judge(credentialsOpen, s.owner, "does not open", err)
			return
		}
		c.judge(credentialsOpen, s.owner, "another token is looked up", c.proves(s.index, credentials.PurposeToken, set.Token))
		err = c.proves(s.check, credentials.PurposePIN, set.PIN, s.site, s.owner, strconv.Itoa(s.generation))
		c.judge(credentialsOpen, s.owner, "another PIN is proved", err)
	})
}

// passcodes does what showing and proving company passcodes does.
func passcodes(ctx context.Context, c *checker) error {
	able := c.byKey(passcodesOpen, true)
	sites := map[credentials.MAC]string{}
	return c.secrets(ctx, enrollment.KindPasscode, func(s *secretRow) {
		what := "passcode of " + s.site
		var data credentialData
		if s.owner != enrollment.PasscodeSubject || json.Unmarshal(s.data, &data) != nil {
			c.say(passcodesOpen, "%s: it is not the site's", what)
			return
		}
		active := data.Status == string(enrollment.PasscodeActive)
		if active != (s.sealed != nil) || active != (s.index != nil) || active != (s.check != nil) {
			c.say(passcodesOpen, "%s is %s: it has the credentials of another state", what, data.Status)
			return
		}
		if !able || !active {
			return
		}
		passcode, err := c.o.Keyring.Open(s.aad(enrollment.KindPasscode), s.sealed)
		if err != nil {
			c.judge(passcodesOpen, what, "does not open", err)
			return
		}
		c.judge(passcodesOpen, what, "another is looked up", c.proves(s.index, credentials.PurposePasscode, passcode))
		c.judge(passcodesOpen, what, "another is proved", c.proves(s.check, credentials.PurposePasscode, passcode, s.site, strconv.Itoa(s.generation)))
		// By one key, because the stored MACs of two sites may be of two.
		mac := c.o.Keyring.MACSecret(credentials.PurposePasscode, passcode)
		if other, twice := sites[mac]; twice {
			c.say(passcodesOpen, "%s is that of %s", what, other)
		}
		sites[mac] = s.site
	})
}

// loginData is what a one-time login's row keeps beside its credential.
type loginData struct {
	Key       uint32    `json:"key"`
	Nonce     []byte    `json:"nonce"`
	ExpiresAt time.Time `json:"expires_at"`
	UsedAt    time.Time `json:"used_at"`
}

// logins reproduces the one-time logins that are still good.
func logins(ctx context.Context, c *checker) error {
	if !c.byKey(loginsOpen, false) || !c.byTime(loginsOpen) {
		return nil
	}
	return c.secrets(ctx, enrollment.KindLogin, func(s *secretRow) {
		what := "login of " + s.owner
		var data loginData
		if err := json.Unmarshal(s.data, &data); err != nil {
			c.say(loginsOpen, "%s is unreadable", what)
			return
		}
		if !data.UsedAt.IsZero() || !c.o.Now.Before(data.ExpiresAt) {
			return // its key may be gone by now
		}
		username, err := credentials.OneTimeUsername(c.o.Keyring, data.Key, s.site, s.owner, s.generation, data.Nonce)
		if err != nil {
			c.judge(loginsOpen, what, "it cannot be reproduced", err)
			return
		}
		password, err := credentials.OneTimePassword(c.o.Keyring, data.Key, s.site, s.owner, s.generation, data.Nonce)
		if err != nil {
			c.judge(loginsOpen, what, "it cannot be reproduced", err)
			return
		}
		c.judge(loginsOpen, what, "another user name is looked up", c.proves(s.index, credentials.PurposeUsername, credentials.SecretString(username)))
		err = c.proves(s.check, credentials.PurposeOneTime, password, s.site, s.owner, strconv.Itoa(s.generation))
		c.judge(loginsOpen, what, "another password is proved", err)
	})
}

// canaries compares the ring with what every key left of itself.
func canaries(ctx context.Context, c *checker) error {
	if !c.byKey(keysKnown, false) {
		return nil
	}
	return c.secrets(ctx, enrollment.KindCanary, func(s *secretRow) {
		mac, err := credentials.ParseMAC(s.check)
		if err == nil {
			err = c.o.Keyring.CheckCanary(mac)
		}
		switch {
		case errors.Is(err, credentials.ErrUnknownKey):
			var data struct {
				Retired bool `json:"retired"`
			}
			if json.Unmarshal(s.data, &data) != nil || !data.Retired {
				c.say(keysKnown, "key %s was not retired and is not in the ring", s.owner)
			}
		case err != nil:
			c.say(keysKnown, "key %s is another", s.owner)
		}
	})
}
