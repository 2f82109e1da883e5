package checks_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/sqlstore/verify"
)

// Of each as many: invitations with their credentials, and adopted devices.
const crowd = 8_000

// BenchmarkCheck looks at a town with a crowd: about a hundred thousand rows
// beside the search words.
func BenchmarkCheck(b *testing.B) {
	for _, name := range []string{"sqlite", "postgresql"} {
		b.Run(name, func(b *testing.B) {
			d := databases[name](b)
			by := admin(acme)
			var invites []enrollment.InviteRequest
			var adoptions []enrollment.Adoption
			for i := range crowd {
				user := fmt.Sprintf("u%06d", i)
				invites = append(invites, enrollment.InviteRequest{User: user, Send: true})
				adoptions = append(adoptions, enrollment.Adoption{
					Ref: device.Ref{Source: "old", ID: user}, User: user, Platform: device.Android, State: device.Active, Name: "Phone of " + user,
					Hardware: device.Hardware{Serial: "SN-" + user}, Manufacturer: "Maker",
				})
			}
			for part := range slices.Chunk(invites, enrollment.MaxInvites) {
				_, err := d.town.svc.InviteMany(b.Context(), by, enrollment.InviteManyRequest{Invites: part})
				require.NoError(b, err)
			}
			_, err := d.town.svc.Adopt(b.Context(), by, adoptions)
			require.NoError(b, err)
			var rows int64
			for b.Loop() {
				report, err := verify.Check(b.Context(), d.Store, verify.Options{Keyring: d.town.ring, Now: d.town.Now()})
				require.NoError(b, err)
				require.Empty(b, report.Violations)
				rows = 0
				for _, l := range report.Looked {
					rows += l.Rows
				}
			}
			b.ReportMetric(float64(rows), "rows")
		})
	}
}
