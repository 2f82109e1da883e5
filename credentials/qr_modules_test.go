package credentials_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
)

// Every version of every level, at the longest payload that it holds and at one more.
func TestTheSizeOfAQRCodeIsKnownBeforeItIsDrawn(t *testing.T) {
	for level, most := range map[credentials.QRLevel]int{
		credentials.QRLow: 2953, credentials.QRMedium: 2331, credentials.QRQuartile: 1663, credentials.QRHigh: 1273,
	} {
		before := 0
		for n := 1; n <= most; n++ {
			side := credentials.QRModules(n, level)
			if side == before && n != most {
				continue
			}
			for _, length := range []int{n - 1, n} {
				if length > 0 {
					code, err := credentials.EncodeQRLevel(credentials.SecretString(strings.Repeat("a", length)), level)
					require.NoError(t, err)
					require.Equal(t, code.PNGSize(1), credentials.QRModules(length, level)+2*credentials.QuietZone, "%d bytes at level %d", length, level)
				}
			}
			before = side
		}
		require.Zero(t, credentials.QRModules(most+1, level))
		require.Zero(t, credentials.QRModules(0, level))
	}
	require.Zero(t, credentials.QRModules(1, 99))
}

// The width of a page's picture, three pixels a module.
func ExampleQRModules() {
	link := "https://mdm.example.com/i/Zs3Zk0yFfZUNhDPvJQWVb6sYHJfVxIYkQ0w0D5XqTzE"
	fmt.Println(3 * (credentials.QRModules(len(link), credentials.QRMedium) + 2*credentials.QuietZone))
	// Output: 135
}
