package device_test

import (
	"flag"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
)

var update = flag.Bool("update", false, "rewrite the diagrams in docs/states.md")

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const no = device.State("") // the step is refused

// The whole machine, blanks included.
func TestEveryStepFromEveryState(t *testing.T) {
	const (
		pend, act, imp  = device.Pending, device.Active, device.Impaired
		unr, leav, gone = device.Unresponsive, device.Leaving, device.Unenrolled
	)
	table := map[device.State][]device.State{
		//     enroll complete lack  silence leave gone
		pend: {pend, act, pend, pend, leav, gone},
		act:  {pend, act, imp, unr, leav, gone},
		imp:  {pend, act, imp, unr, leav, gone},
		unr:  {pend, act, imp, unr, leav, gone},
		leav: {pend, leav, leav, leav, leav, gone},
		gone: {pend, no, no, no, no, gone},
	}
	require.Len(t, table, len(device.States()))
	for from, row := range table {
		require.Len(t, row, len(device.Steps()))
		for i, step := range device.Steps() {
			got, err := device.Next(from, step)
			if row[i] == no {
				assert.ErrorIs(t, err, device.ErrIllegalTransition, "%s %s", from, step)
				assert.Equal(t, from, got)
				continue
			}
			assert.NoError(t, err)
			assert.Equal(t, row[i], got, "%s %s", from, step)
		}
	}
}

func TestTheDiagramInTheDocsIsTheMachine(t *testing.T) {
	const file = "../docs/states.md"
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(raw), "## device\n\n```mermaid\n")
	require.True(t, ok)
	got, after, ok := strings.Cut(rest, "```\n")
	require.True(t, ok)
	if *update {
		text := before + "## device\n\n```mermaid\n" + device.Diagram() + "```\n" + after
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		return
	}
	assert.Equal(t, device.Diagram(), got, "run make golden")
}

func TestEveryModeHasAPlatformAndKnownRequirements(t *testing.T) {
	require.NoError(t, device.DefaultRequirements().Validate())
	for _, p := range device.Platforms() {
		require.NotEmpty(t, device.Modes(p))
		assert.Equal(t, p, device.DefaultMode(p).Platform())
	}
	assert.Len(t, device.DefaultRequirements(), len(device.Modes("")))
	assert.Empty(t, device.DefaultMode("beos"))
	assert.Error(t, device.Requirements{"beos_fully_managed": nil}.Validate())
	assert.Error(t, device.Requirements{device.WindowsMode: {"has_wheels"}}.Validate())
}

func TestAnAgentCannotAssertWhatOnlyTheMDMChannelKnows(t *testing.T) {
	for _, f := range []device.Fact{device.ManagementProfile, device.UserApproved, device.Supervised} {
		facts, changed := device.Facts(nil).Assert(device.SourceAgent, f, true, now)
		assert.False(t, changed, f)
		assert.False(t, facts.Holds(f), f)
		facts, changed = facts.Assert(device.SourceMDM, f, true, now)
		assert.True(t, changed, f)
		assert.True(t, facts.Holds(f), f)
	}
	assert.False(t, device.Source("").MayAssert(device.AgentInstalled))
	assert.False(t, device.SourceMDM.MayAssert("has_wheels"))
}

func TestTheNewestAssertionWins(t *testing.T) {
	at := func(s int) time.Time { return now.Add(time.Duration(s) * time.Second) }
	var facts device.Facts
	facts, _ = facts.Assert("amapi", device.WorkProfile, true, at(10))
	facts, changed := facts.Assert("amapi", device.WorkProfile, false, at(5))
	assert.False(t, changed, "older than what the source said before")
	assert.True(t, facts.Holds(device.WorkProfile))
	facts, changed = facts.Assert(device.SourceAgent, device.WorkProfile, false, at(11))
	assert.True(t, changed)
	assert.False(t, facts.Holds(device.WorkProfile))
}

// Late, repeated and reordered assertions end in the same facts.
func TestTheOrderOfArrivalDoesNotMatter(t *testing.T) {
	type said struct {
		source device.Source
		value  bool
		at     int
	}
	messages := []said{
		{"agent", true, 1}, {"agent", false, 3}, {"agent", true, 3}, {"mdm", true, 2},
		{"mdm", false, 3}, {"amapi", true, 3}, {"agent", true, 2}, {"mdm", true, 1},
	}
	r := rand.New(rand.NewPCG(1, 2))
	var want device.Facts
	for round := range 200 {
		list := append([]said{}, messages...)
		for range 4 { // repetitions
			list = append(list, messages[r.IntN(len(messages))])
		}
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		var facts device.Facts
		for _, m := range list {
			facts, _ = facts.Assert(m.source, device.WorkProfile, m.value, now.Add(time.Duration(m.at)*time.Second))
		}
		if round == 0 {
			want = facts
		}
		require.Equal(t, want, facts)
	}
	assert.False(t, want.Holds(device.WorkProfile), "of one instant, false wins")
}

func TestAssertLeavesTheOldValueAlone(t *testing.T) {
	old, _ := device.Facts(nil).Assert(device.SourceAgent, device.Permissions, true, now)
	next, _ := old.Assert(device.SourceAgent, device.Permissions, false, now.Add(time.Second))
	assert.True(t, old.Holds(device.Permissions))
	assert.False(t, next.Holds(device.Permissions))
}

func TestALifeInOrder(t *testing.T) {
	d := device.Device{Platform: device.Android, Mode: device.AndroidWorkProfile}.Enroll(now)
	assert.Equal(t, device.Pending, d.State)
	assert.Equal(t, 1, d.Generation)
	assert.Equal(t, device.DefaultRequirements()[device.AndroidWorkProfile], d.Missing(nil))

	for i, f := range d.Missing(nil) {
		d.Facts, _ = d.Facts.Assert(device.SourceAgent, f, true, now.Add(time.Duration(i)*time.Second))
	}
	d, err := d.Judge(nil, now.Add(time.Minute))
	require.NoError(t, err)
	assert.Equal(t, device.Active, d.State)
	assert.True(t, d.EverActive)
	assert.Equal(t, now.Add(time.Minute), d.Since)

	d.Facts, _ = d.Facts.Assert(device.SourceAgent, device.Permissions, false, now.Add(time.Hour))
	d, err = d.Judge(nil, now.Add(time.Hour))
	require.NoError(t, err)
	assert.Equal(t, device.Impaired, d.State)
	assert.Equal(t, "permissions", d.Reason)
	party, action := d.Waiting(d.Missing(nil))
	assert.Equal(t, device.WaitsUser, party)
	assert.Equal(t, device.GrantPermissions, action)

	d, err = d.Step(device.StepGone, "left", now.Add(2*time.Hour))
	require.NoError(t, err)
	_, err = d.Judge(nil, now.Add(3*time.Hour))
	assert.ErrorIs(t, err, device.ErrIllegalTransition, "a late message does not bring it back")

	d = d.Enroll(now.Add(4 * time.Hour))
	assert.Equal(t, device.Pending, d.State)
	assert.Equal(t, 2, d.Generation)
	assert.Empty(t, d.Facts)
	assert.False(t, d.EverActive)
}

func TestTheStrongestHardwareIDIdentifies(t *testing.T) {
	for name, c := range map[string]struct {
		hardware     device.Hardware
		manufacturer string
		want         string
	}{
		"nothing":                        {device.Hardware{}, "Acme", ""},
		"udid before all":                {device.Hardware{UDID: "U1", Serial: "S1", IMEI: "490154203237518"}, "Acme", "udid:u1"},
		"esid before serial":             {device.Hardware{ESID: "E1", Serial: "S1"}, "Acme", "esid:e1"},
		"serial with its manufacturer":   {device.Hardware{Serial: " S1 "}, " ACME", "serial:acme:s1"},
		"imei last":                      {device.Hardware{IMEI: "490154203237518"}, "", "imei:490154203237518"},
		"junk serial":                    {device.Hardware{Serial: "To be filled by O.E.M."}, "Acme", ""},
		"junk serial, then imei":         {device.Hardware{Serial: "unknown", IMEI: "490154203237518"}, "", "imei:490154203237518"},
		"zeros":                          {device.Hardware{Serial: "0000000", HWDevID: "00-00-00"}, "", ""},
		"one letter repeated":            {device.Hardware{UDID: "XXXX-XXXX"}, "", ""},
		"default string in any spelling": {device.Hardware{Serial: "DEFAULT STRING"}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, c.hardware.Identity(c.manufacturer))
		})
	}
}

func TestADeviceInConflictHasNoIdentity(t *testing.T) {
	d := device.Device{Hardware: device.Hardware{Serial: "S1"}, State: device.Pending}
	require.NotEmpty(t, d.Identity())
	d.Conflict = "dev_other"
	assert.Empty(t, d.Identity())
	party, action := d.Waiting(nil)
	assert.Equal(t, device.WaitsAdmin, party)
	assert.Equal(t, device.ResolveConflict, action)
}

func TestATombstoneKeepsNothingPersonal(t *testing.T) {
	d := device.Device{
		Site: "s", ID: "dev_1", User: "u", Name: "Anna's phone", Model: "Pixel", Platform: device.Android,
		Hardware: device.Hardware{Serial: "S1", IMEI: "490154203237518"}, Inventory: []byte(`{"a":1}`),
		Refs: []device.Ref{{Source: "amapi", ID: "x"}}, Events: 7, Version: 9,
	}.Enroll(now)
	dead := d.Tombstone([]byte("trace"), now)
	assert.True(t, dead.Deleted())
	assert.False(t, dead.Live())
	assert.Empty(t, dead.Name+dead.Model)
	assert.Equal(t, device.Hardware{}, dead.Hardware)
	assert.Nil(t, dead.Inventory)
	assert.Nil(t, dead.Refs)
	assert.Equal(t, []byte("trace"), dead.Trace)
	assert.EqualValues(t, 7, dead.Events)
	assert.EqualValues(t, 9, dead.Version)
}

func TestARefOfTheSameSourceIsReplaced(t *testing.T) {
	d := device.Device{Refs: []device.Ref{{"amapi", "1"}, {"nanomdm", "2"}}}
	same, changed := d.AddRef(device.Ref{Source: "amapi", ID: "1"})
	assert.False(t, changed)
	assert.Equal(t, d, same)
	next, changed := d.AddRef(device.Ref{Source: "amapi", ID: "3"})
	assert.True(t, changed)
	assert.ElementsMatch(t, []device.Ref{{"amapi", "3"}, {"nanomdm", "2"}}, next.Refs)
	assert.Equal(t, "1", d.Refs[0].ID, "the old value is left alone")
}
