package android_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment/android"
)

const key = "android.app.extra.PROVISIONING_"

func certificate(t testing.TB) android.Checksum {
	t.Helper()
	c, err := android.ParseChecksum(testDPC)
	require.NoError(t, err)
	return c
}

func full(t testing.TB) android.Provisioning {
	return android.Provisioning{
		Component: "com.example.agent/.AdminReceiver", Download: "https://mdm.example.com/agent.apk",
		Certificate: certificate(t), MinimumVersion: 7,
		Extras: map[string]any{"com.example.agent.INVITE_TOKEN": "7ZZZ", "com.example.agent.OK": true, "com.example.agent.N": []any{1, 2}},
		WiFi:   &android.WiFi{SSID: "Guests & Co", Password: credentials.SecretString("s3cret"), Hidden: true},
		Locale: "cs_CZ", TimeZone: "Europe/Prague", LocalTime: time.UnixMilli(1700000000000),
		SystemApps: true, MobileData: true, Offline: true, Unencrypted: true,
		Organization: "Acme", Support: "https://acme.example/help",
	}
}

func TestACodeHasEveryValueByItsNameAndType(t *testing.T) {
	code, err := full(t).Encode()
	require.NoError(t, err)
	assert.JSONEq(t, `{
		"android.app.extra.PROVISIONING_DEVICE_ADMIN_COMPONENT_NAME": "com.example.agent/.AdminReceiver",
		"android.app.extra.PROVISIONING_DEVICE_ADMIN_PACKAGE_DOWNLOAD_LOCATION": "https://mdm.example.com/agent.apk",
		"android.app.extra.PROVISIONING_DEVICE_ADMIN_SIGNATURE_CHECKSUM": "gJD2YwtOiWJHkSMkkIfLRlj-quNqG1fb6v100QmzM9w",
		"android.app.extra.PROVISIONING_DEVICE_ADMIN_MINIMUM_VERSION_CODE": 7,
		"android.app.extra.PROVISIONING_ADMIN_EXTRAS_BUNDLE": {"com.example.agent.INVITE_TOKEN": "7ZZZ", "com.example.agent.OK": true, "com.example.agent.N": [1, 2]},
		"android.app.extra.PROVISIONING_WIFI_SSID": "Guests & Co",
		"android.app.extra.PROVISIONING_WIFI_SECURITY_TYPE": "WPA",
		"android.app.extra.PROVISIONING_WIFI_PASSWORD": "s3cret",
		"android.app.extra.PROVISIONING_WIFI_HIDDEN": true,
		"android.app.extra.PROVISIONING_LOCALE": "cs_CZ",
		"android.app.extra.PROVISIONING_TIME_ZONE": "Europe/Prague",
		"android.app.extra.PROVISIONING_LOCAL_TIME": 1700000000000,
		"android.app.extra.PROVISIONING_LEAVE_ALL_SYSTEM_APPS_ENABLED": true,
		"android.app.extra.PROVISIONING_SKIP_ENCRYPTION": true,
		"android.app.extra.PROVISIONING_USE_MOBILE_DATA": true,
		"android.app.extra.PROVISIONING_ALLOW_OFFLINE": true,
		"android.app.extra.PROVISIONING_ORGANIZATION_NAME": "Acme",
		"android.app.extra.PROVISIONING_SUPPORT_URL": "https://acme.example/help"
	}`, code.Reveal())
	assert.NotContains(t, code.Reveal(), "\n")
	assert.Contains(t, code.Reveal(), "Guests & Co", "no character costs six")
}

func TestWhoeverMakesACodeIsTold(t *testing.T) {
	assert.Equal(t, []android.Warning{android.WarnWiFiPassword, android.WarnUnencrypted}, full(t).Warnings())
	p := android.Provisioning{WiFi: &android.WiFi{SSID: "open"}, File: certificate(t)}
	assert.Equal(t, []android.Warning{android.WarnWiFiOpen, android.WarnFileChecksum}, p.Warnings())
	assert.Empty(t, android.Provisioning{}.Warnings())
}

func TestACodeThatADeviceWouldNotTakeIsNotMade(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*android.Provisioning)
		want   android.Problem
	}{
		"no component":            {func(p *android.Provisioning) { p.Component = "" }, android.Problem{Key: key + "DEVICE_ADMIN_COMPONENT_NAME", Code: "required"}},
		"half a component":        {func(p *android.Provisioning) { p.Component = "com.example.agent" }, android.Problem{Key: key + "DEVICE_ADMIN_COMPONENT_NAME", Code: "malformed"}},
		"no https":                {func(p *android.Provisioning) { p.Download = "http://mdm.example.com/a.apk" }, android.Problem{Key: key + "DEVICE_ADMIN_PACKAGE_DOWNLOAD_LOCATION", Code: "malformed"}},
		"no checksum":             {func(p *android.Provisioning) { p.Certificate = android.Checksum{} }, android.Problem{Key: key + "DEVICE_ADMIN_SIGNATURE_CHECKSUM", Code: "required"}},
		"both checksums":          {func(p *android.Provisioning) { p.File = certificate(t) }, android.Problem{Key: key + "DEVICE_ADMIN_PACKAGE_CHECKSUM", Code: "contradiction"}},
		"a null among the extras": {func(p *android.Provisioning) { p.Extras["x"] = nil }, android.Problem{Key: key + "ADMIN_EXTRAS_BUNDLE", Code: "malformed"}},
		"a mixed list":            {func(p *android.Provisioning) { p.Extras["x"] = []any{1, "2"} }, android.Problem{Key: key + "ADMIN_EXTRAS_BUNDLE", Code: "malformed"}},
		"what JSON does not have": {func(p *android.Provisioning) { p.Extras["x"] = func() {} }, android.Problem{Key: key + "ADMIN_EXTRAS_BUNDLE", Code: "malformed"}},
		"a password to no lock":   {func(p *android.Provisioning) { p.WiFi.Security = "NONE" }, android.Problem{Key: key + "WIFI_SECURITY_TYPE", Code: "contradiction"}},
		"a network without name":  {func(p *android.Provisioning) { p.WiFi.SSID = "" }, android.Problem{Key: key + "WIFI_SSID", Code: "malformed"}},
		"a made-up locale":        {func(p *android.Provisioning) { p.Locale = "czech" }, android.Problem{Key: key + "LOCALE", Code: "malformed"}},
		"too much":                {func(p *android.Provisioning) { p.Extras["x"] = strings.Repeat("x", 3000) }, android.Problem{Code: "too_long"}},
	} {
		p := full(t)
		c.change(&p)
		code, err := p.Encode()
		problem, ok := errors.AsType[*android.PayloadError](err)
		require.True(t, ok, name)
		assert.Equal(t, []android.Problem{c.want}, problem.Problems, name)
		assert.ErrorIs(t, err, android.ErrPayload)
		assert.NotContains(t, err.Error(), "s3cret")
		assert.True(t, code.IsZero())
	}
}

func TestTheCheckerTakesWhatOthersPublish(t *testing.T) {
	for _, code := range []string{
		`{"android.app.extra.PROVISIONING_DEVICE_ADMIN_COMPONENT_NAME":"com.google.android.apps.work.clouddpc/.receivers.CloudDeviceAdminReceiver","android.app.extra.PROVISIONING_DEVICE_ADMIN_SIGNATURE_CHECKSUM":"I5YvS0O5hXY46mb01BlRjq4oJJGs2kuUcHvVkAPEXlg","android.app.extra.PROVISIONING_DEVICE_ADMIN_PACKAGE_DOWNLOAD_LOCATION":"https://play.google.com/managed/downloadManagingApp?identifier=setup","android.app.extra.PROVISIONING_ADMIN_EXTRAS_BUNDLE":{"com.google.android.apps.work.clouddpc.EXTRA_ENROLLMENT_TOKEN":"TOKENVALUE"}}`,
		`{"android.app.extra.PROVISIONING_DEVICE_ADMIN_COMPONENT_NAME":"com.afwsamples.testdpc/com.afwsamples.testdpc.DeviceAdminReceiver","android.app.extra.PROVISIONING_DEVICE_ADMIN_SIGNATURE_CHECKSUM":"gJD2YwtOiWJHkSMkkIfLRlj-quNqG1fb6v100QmzM9w=","android.app.extra.PROVISIONING_DEVICE_ADMIN_PACKAGE_DOWNLOAD_LOCATION":"https://testdpc-latest-apk.appspot.com/","android.app.extra.PROVISIONING_WIFI_SSID":"x","android.app.extra.PROVISIONING_WIFI_SECURITY_TYPE":"EAP","android.app.extra.PROVISIONING_WIFI_EAP_METHOD":"PEAP","android.app.extra.PROVISIONING_WIFI_PHASE2_AUTH":"MSCHAPV2","android.app.extra.PROVISIONING_WIFI_CA_CERTIFICATE":"MIIB"}`,
	} {
		assert.NoError(t, android.CheckPayload([]byte(code)))
	}
}

func TestTheCheckerFindsWhatDevicesPassOverInSilence(t *testing.T) {
	for name, c := range map[string]struct {
		entry, code string
	}{
		"a misspelt key":           {`"` + key + `WIFI_SSDI":"x"`, "unknown"},
		"an alias":                 {`"a.a.e.PWS":"x"`, "unknown"},
		"a boolean in quotes":      {`"` + key + `SKIP_ENCRYPTION":"true"`, "wrong_type"},
		"a number in quotes":       {`"` + key + `LOCAL_TIME":"1"`, "wrong_type"},
		"a fraction":               {`"` + key + `LOCAL_TIME":1.5`, "wrong_type"},
		"a port that is none":      {`"` + key + `WIFI_SSID":"x","` + key + `WIFI_PROXY_PORT":65536`, "out_of_range"},
		"the extras as text":       {`"` + key + `ADMIN_EXTRAS_BUNDLE":"{}"`, "wrong_type"},
		"standard base64":          {`"` + key + `DEVICE_ADMIN_SIGNATURE_CHECKSUM":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU"`, "malformed"},
		"a pasted hex checksum":    {`"` + key + `DEVICE_ADMIN_SIGNATURE_CHECKSUM":"` + strings.ReplaceAll(testDPC, ":", "") + `"`, "malformed"},
		"a download, no checksum":  {`"` + key + `DEVICE_ADMIN_PACKAGE_DOWNLOAD_LOCATION":"https://a.example/a.apk"`, "required"},
		"a password, no network":   {`"` + key + `WIFI_PASSWORD":"x"`, "without_ssid"},
		"an unknown lock":          {`"` + key + `WIFI_SSID":"x","` + key + `WIFI_SECURITY_TYPE":"WPA2"`, "malformed"},
		"no effect from a QR code": {`"` + key + `SKIP_EDUCATION_SCREENS":true`, "ignored"},
		"out of use":               {`"` + key + `LOGO_URI":"content://x"`, "deprecated"},
		"a key that stands twice":  {`"` + key + `LOCALE":"en_US","` + key + `LOCALE":"cs_CZ"`, "duplicate"},
		"a null":                   {`"` + key + `ADMIN_EXTRAS_BUNDLE":{"a":null}`, "malformed"},
	} {
		err := android.CheckPayload([]byte(`{"` + key + `DEVICE_ADMIN_COMPONENT_NAME":"a.b/.C",` + c.entry + `}`))
		problem, ok := errors.AsType[*android.PayloadError](err)
		require.True(t, ok, name)
		require.Len(t, problem.Problems, 1, name)
		assert.Equal(t, c.code, problem.Problems[0].Code, name)
	}
	for name, code := range map[string]string{
		"nothing": "", "a list": "[]", "half": `{"a"`, "two": `{}{}`, "no UTF-8": "{\"a\":\"\xff\"}",
		"a well": `{"` + key + `ADMIN_EXTRAS_BUNDLE":` + strings.Repeat(`{"a":`, 20) + `1` + strings.Repeat(`}`, 21),
	} {
		problem, ok := errors.AsType[*android.PayloadError](android.CheckPayload([]byte(code)))
		require.True(t, ok, name)
		assert.Equal(t, "malformed", problem.Problems[0].Code, name)
	}
}

func FuzzCheckPayload(f *testing.F) {
	code, err := full(f).Encode()
	require.NoError(f, err)
	f.Add([]byte(code.Reveal()))
	f.Add([]byte(`{"a":{"b":[1,"2"]}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		if err := android.CheckPayload(payload); err != nil {
			require.ErrorIs(t, err, android.ErrPayload)
			return
		}
		var values map[string]any
		require.NoError(t, json.Unmarshal(payload, &values))
		require.Contains(t, values, key+"DEVICE_ADMIN_COMPONENT_NAME")
	})
}
