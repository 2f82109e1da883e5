package simulate

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestASeedAlwaysGivesTheSamePlan(t *testing.T) {
	got := NewPlan(1, DefaultDevices, "").String()
	file := filepath.Join("testdata", "plan-1.golden")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func TestAnotherSeedGivesAnotherPlan(t *testing.T) {
	assert.NotEqual(t, NewPlan(1, DefaultDevices, "").String(), NewPlan(2, DefaultDevices, "").String())
}

func TestALabelChangesAddressesAndHardwareAndNothingElse(t *testing.T) {
	plain, labelled := NewPlan(7, DefaultDevices, ""), NewPlan(7, DefaultDevices, "x")
	for i, p := range plain.People {
		q := labelled.People[i]
		assert.NotEqual(t, p.Email, q.Email)
		assert.Equal(t, p.Acts, q.Acts)
		for k := range p.Devices {
			assert.NotEqual(t, p.Devices[k].Hardware, q.Devices[k].Hardware)
			assert.Equal(t, p.Devices[k].Model, q.Devices[k].Model)
		}
	}
}

func TestAPlan(t *testing.T) {
	for seed := range uint64(200) {
		plan := NewPlan(seed, DefaultDevices, "")

		t.Run("has as many devices as were asked for", func(t *testing.T) {
			for _, n := range []int{1, 2, 29, 30, 31, 100} {
				require.Equal(t, n, NewPlan(seed, n, "").Devices())
			}
		})
		t.Run("plays every story with thirty devices", func(t *testing.T) {
			played := map[string]int{}
			for _, p := range plan.People {
				played[p.Story]++
			}
			for _, s := range Stories() {
				require.Equal(t, s.Weight, played[s.Name], s.Name)
			}
		})
		t.Run("knows how to do everything in it", func(t *testing.T) {
			for _, p := range plan.People {
				for _, a := range p.Acts {
					require.NotNil(t, verbs[a.Do], a.Do)
					require.Less(t, a.Device, len(p.Devices))
				}
			}
		})
		t.Run("mistypes fewer PINs than one network may", func(t *testing.T) {
			wrong := 0
			for _, p := range plan.People {
				for _, a := range p.Acts {
					if a.Do == MistypePIN && a.With == "digit" {
						wrong++
					}
				}
			}
			require.LessOrEqual(t, wrong, maxMistypes)
		})
		t.Run("has hardware that identifies, and no piece of it twice", func(t *testing.T) {
			seen := map[string]bool{}
			for _, p := range plan.People {
				for _, d := range p.Devices {
					id := d.Hardware.Identity(d.Manufacturer)
					require.NotEmpty(t, id)
					require.False(t, seen[id])
					seen[id] = true
				}
			}
		})
		t.Run("leaves permissions, PINs and modes to Android", func(t *testing.T) {
			for _, p := range plan.People {
				for _, a := range p.Acts {
					if a.Do == Lose || a.Do == MistypePIN || a.Do == Enroll && a.With == "pin" {
						require.Equal(t, device.Android, p.Devices[a.Device].Platform)
					}
				}
			}
		})
	}
}

func TestAnIMEIEndsWithItsCheckDigit(t *testing.T) {
	for n := range 100 {
		id, sum := imei(stream(1, n, "test")), 0
		require.Len(t, id, 15)
		for i, c := range id { // Luhn: every second digit from the right is doubled
			d := int(c - '0')
			if (len(id)-1-i)%2 == 1 {
				d = d*2/10 + d*2%10
			}
			sum += d
		}
		require.Zero(t, sum%10, id)
	}
}
