package model

import (
	"net/netip"

	"pgregory.net/rapid"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment"
)

func (w *world) generate() {
	if w.m.door.status == "active" && rapid.IntRange(0, 3).Draw(w.T, "seldom") > 0 {
		w.Skip()
	}
	w.say("generate a passcode")
	text, code := everywhere(w, func(svc *enrollment.Service) (string, error) {
		passcode, _, err := svc.GeneratePasscode(w.ctx, admin)
		return passcode.Reveal(), err
	})
	w.expect("the answer", code, "")
	w.m.generate()
	w.codes = append(w.codes, text)
}

func (w *world) disable() {
	w.say("disable the passcode")
	_, code := everywhere(w, func(svc *enrollment.Service) (enrollment.PasscodeDetail, error) {
		return svc.DisablePasscode(w.ctx, admin)
	})
	w.expect("the answer", code, "")
	w.m.disable()
}

// knock asks for a login by the company passcode, an old one, or a guess.
func (w *world) knock() {
	user := of(w, "user", append([]string{""}, staff...))
	email := addressOf(user)
	if user == "" {
		email = "nobody@else.example"
	}
	passcode := "Guess0000000"
	if len(w.codes) > 0 && rapid.IntRange(0, 2).Draw(w.T, "known") > 0 {
		passcode = late(w, "passcode", w.codes)
	}
	source := of(w, "source", sources)
	times := rapid.IntRange(1, 3).Draw(w.T, "times")
	w.say("ask %d times for a login for %s from %s with %s", times, email, source, passcode)
	for range times {
		w.ask(user, email, passcode, source)
	}
}

// guessPasscode is what ends in the lock.
func (w *world) guessPasscode() {
	w.say("guess the passcode from everywhere")
	for _, source := range sources {
		for range sourceCap {
			w.ask(staff[0], addressOf(staff[0]), "Guess0000000", source)
		}
	}
}

func (w *world) ask(user, email, passcode, source string) {
	_, code := everywhere(w, nothing(func(svc *enrollment.Service) error {
		return svc.RequestLogin(w.ctx, enrollment.LoginRequest{
			Email: email, Passcode: credentials.SecretString(passcode), Source: netip.MustParseAddr(source),
		})
	}))
	w.expect("the answer", code, "")
	right := len(w.codes) > 0 && w.codes[len(w.codes)-1] == passcode
	w.m.knock(user, email, right, source)
}
