package enrollment_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// published is the table of the product's documentation, whose ticks are told by the
// sentences around it: "If you want to enroll a company-owned (Android Fully
// Managed) device, you can create an invitation, without sending it to the user. In
// other cases, send the created invitation to the user's email."
const published = `Android Work Profile  | sending
Android Fully Managed | creating
iOS Unsupervised      | sending
iOS Supervised        | sending`

func TestTheRecommendedModesAreThePublishedOnes(t *testing.T) {
	list := enrollment.Recommendations()
	for i, line := range strings.Split(published, "\n") {
		name, how, _ := strings.Cut(line, "|")
		mode := device.Mode(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "_"))
		require.Equal(t, enrollment.Recommendation{Mode: mode, Send: strings.TrimSpace(how) == "sending"}, list[i], line)
	}
}

func TestEveryModeIsRecommendedInOneWay(t *testing.T) {
	var modes []device.Mode
	for _, r := range enrollment.Recommendations() {
		modes = append(modes, r.Mode)
	}
	require.ElementsMatch(t, device.Modes(""), modes)
}

// What an administrator does first depends on the mode.
func ExampleRecommendations() {
	for _, r := range enrollment.Recommendations()[:2] {
		fmt.Println(r.Mode, "send:", r.Send)
	}
	// Output:
	// android_work_profile send: true
	// android_fully_managed send: false
}
