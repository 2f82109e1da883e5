package mailer_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
)

// Whatever people, tenants and devices are called, the links of a mail are those
// of the same mail about Anna.
func FuzzRender(f *testing.F) {
	r := newMailer(f)
	type constant struct{ links, words []string }
	constants := make(map[string]constant)
	for kind, mail := range kindsWithoutImage() {
		msg := render(f, mail())
		constants[kind] = constant{linksOf(msg.HTML), slices.Concat(wordsOf(msg.Text), wordsOf(textOf(msg.HTML)))}
	}
	for _, payload := range payloads() {
		f.Add(payload, payload, payload, payload)
	}
	f.Fuzz(func(t *testing.T, person, brand, thing, agent string) {
		for kind, mail := range kindsWithoutImage() {
			m := mail()
			m.ToName, m.Site.Name = person, brand
			a := m.Site.Agents[device.Android]
			a.Name = agent
			m.Site.Agents[device.Android] = a
			if m.Renewal != nil {
				m.Renewal.Name, m.Renewal.Agent = thing, a
			}
			if m.Alert != nil {
				m.Alert.User.Name, m.Alert.User.ID = thing, agent
			}
			msg, err := r.Render(m)
			require.NoError(t, err)
			want := constants[kind]
			require.Equal(t, want.links, linksOf(msg.HTML))
			words := slices.Concat(wordsOf(msg.Text), wordsOf(textOf(msg.HTML)))
			require.Equal(t, want.words, words)
			checkHeader(t, headerOf(msg), person)
		}
	})
}
