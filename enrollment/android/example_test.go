package android_test

import (
	"fmt"
	"net/url"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment/android"
)

// A new device is told what to install, and what to hand to it.
func ExampleProvisioning_Encode() {
	certificate, err := android.ParseChecksum("80:90:F6:63:0B:4E:89:62:47:91:23:24:90:87:CB:46:58:FE:AA:E3:6A:1B:57:DB:EA:FD:74:D1:09:B3:33:DC")
	if err != nil {
		panic(err)
	}
	p := android.Provisioning{
		Component:   "com.example.agent/.AdminReceiver",
		Download:    "https://mdm.example.com/agent.apk",
		Certificate: certificate,
		Extras:      map[string]any{"com.example.agent.INVITE_TOKEN": "7ZZZ"},
		WiFi:        &android.WiFi{SSID: "Setup", Password: credentials.SecretString("open sesame")},
	}
	code, err := p.Encode()
	fmt.Println(code, err, p.Warnings())
	// Output: [redacted] <nil> [wifi_password_in_code]
}

// What somebody wrote by hand is looked through before it is printed.
func ExampleCheckPayload() {
	fmt.Println(android.CheckPayload([]byte(`{
		"android.app.extra.PROVISIONING_DEVICE_ADMIN_COMPONENT_NAME": "com.example.agent/.AdminReceiver",
		"android.app.extra.PROVISIONING_SKIP_ENCRYPTION": "true",
		"android.app.extra.PROVISIONING_WIFI_SSDI": "Setup"
	}`)))
	// Output: android: not a provisioning code: SKIP_ENCRYPTION wrong_type, WIFI_SSDI unknown
}

func ExampleParseChecksum() {
	c, err := android.ParseChecksum("gJD2YwtOiWJHkSMkkIfLRlj-quNqG1fb6v100QmzM9w=")
	fmt.Println(c, err)
	_, err = android.ParseChecksum("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
	fmt.Println(err)
	// Output:
	// gJD2YwtOiWJHkSMkkIfLRlj-quNqG1fb6v100QmzM9w <nil>
	// android: a checksum is 32 bytes, as hex digits or in URL-safe base64
}

func ExamplePlayLink() {
	link, err := android.PlayLink("com.example.agent", url.Values{"invite": {"7ZZZ"}, "srv": {"https://mdm.example.com"}})
	fmt.Println(link, err)
	// Output: https://play.google.com/store/apps/details?id=com.example.agent&referrer=invite%3D7ZZZ%26srv%3Dhttps%253A%252F%252Fmdm.example.com <nil>
}

func ExampleIntentLink() {
	link, err := android.IntentLink("com.example.agent", "exampleagent://invite/7ZZZ", "")
	fmt.Println(link, err)
	// Output: intent://invite/7ZZZ#Intent;scheme=exampleagent;package=com.example.agent;end <nil>
}

func ExampleAssetLinks() {
	certificate, err := android.ParseChecksum("80:90:F6:63:0B:4E:89:62:47:91:23:24:90:87:CB:46:58:FE:AA:E3:6A:1B:57:DB:EA:FD:74:D1:09:B3:33:DC")
	if err != nil {
		panic(err)
	}
	doc, err := android.AssetLinks(android.App{Package: "com.example.agent", Certificates: []android.Checksum{certificate}})
	fmt.Println(len(doc) > 0, err)
	// Output: true <nil>
}

// An agent need not know by which way it was started.
func ExampleReadStart() {
	start, err := android.ReadStart("srv=https%3A%2F%2Fmdm.example.com&invite=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	fmt.Println(start.Server, start.Token, err)
	// Output: https://mdm.example.com [redacted] <nil>
}

func ExampleAdvise() {
	for _, version := range []string{"9", "14", "16"} {
		fmt.Println(android.Advise("android_device_admin", version, 0))
	}
	// Output:
	// [] <nil>
	// [device_admin_limited] <nil>
	// [] android: android_device_admin does not work on Android 16
}

func ExampleParsePush() {
	n, err := android.ParsePush([]byte(`{"message":{"attributes":{"notificationType":"ENROLLMENT"},"messageId":"1","data":"e30="}}`))
	fmt.Println(n.Type, string(n.Data), err)
	// Output: ENROLLMENT {} <nil>
}
