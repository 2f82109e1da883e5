package windowsclient

import (
	"encoding/base64"
	"encoding/xml"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// vector is a message as it is known to work.
func vector(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".xml")
	require.NoError(t, err)
	return strings.TrimRight(string(text), "\n")
}

// example is the client of the known messages.
func example() *Client {
	c := New("https://enterpriseenrollment.example.com", Device{
		ID: "7BA748C8703E4DF2A74A92984117346A", HWDevID: "00AA11BB", Name: "DESKTOP-1", OSVersion: "10.0.22631.0",
	})
	c.Services = Services{
		Policy: "https://mdm.example.com/EnrollmentServer/Policy.svc", Enrollment: "https://mdm.example.com/EnrollmentServer/Enrollment.svc",
	}
	return c
}

var exampleCredential = Credential{Username: "user@example.com", Password: "4F7K9QXT"}

func TestWhatIsSentIsByteForByteWhatIsKnownToWork(t *testing.T) {
	c := example()
	assert.Equal(t, vector(t, "discover"), c.discover("urn:uuid:748132ec-0000-0000-0000-000000000001", "user@example.com", []string{"OnPremise", "Federated"}))
	assert.Equal(t, vector(t, "get_policies"), c.policies("urn:uuid:72048b64-0000-0000-0000-000000000003", exampleCredential))
	got := c.request("urn:uuid:0d5a1441-0000-0000-0000-000000000004", exampleCredential.header(), "Issue", "PKCS10", []byte("request"))
	assert.Equal(t, vector(t, "rst"), strings.ReplaceAll(got, base64.StdEncoding.EncodeToString([]byte("request")), "B64-DER-PKCS10"))
	c.sessions, c.Provision = 1, &Provision{Address: "https://mdm.example.com/ManagementServer/MDM.svc"}
	assert.Equal(t, vector(t, "unenroll"), c.message(1, c.Device.ID, goodbye))
}

func TestWhatIsKnownToWorkIsUnderstood(t *testing.T) {
	e, err := readEnvelope(200, []byte(vector(t, "discover_response")), actionDiscover+"Response", "urn:uuid:748132ec-0000-0000-0000-000000000001")
	require.NoError(t, err)
	assert.Equal(t, "https://mdm.example.com/EnrollmentServer/Policy.svc", e.Body.Discover.Result.EnrollmentPolicyServiceUrl)

	text := strings.ReplaceAll(vector(t, "rstr"), "B64-PROVISIONING-DOC", base64.StdEncoding.EncodeToString([]byte("document")))
	e, err = readEnvelope(200, []byte(text), actionResponses, "urn:uuid:0d5a1441-0000-0000-0000-000000000004")
	require.NoError(t, err)
	document, err := e.document()
	require.NoError(t, err)
	assert.Equal(t, "document", string(document))

	_, err = readEnvelope(200, []byte(vector(t, "fault")), actionResponses, "urn:uuid:0d5a1441-0000-0000-0000-000000000004")
	assert.ErrorIs(t, err, &Fault{Subcode: "Authorization", Type: "DeviceCapReached"})
	assert.NotErrorIs(t, err, &Fault{Subcode: "Authentication"})
}

func TestWhatWindowsWouldRefuseIsRefused(t *testing.T) {
	const id = "urn:uuid:748132ec-0000-0000-0000-000000000001"
	good := vector(t, "discover_response")
	for what, text := range map[string]string{
		"the request's namespace":     strings.ReplaceAll(good, `2012/01/enrollment">`, `2012/01/enrollment/">`),
		"another message's answer":    strings.ReplaceAll(good, "000001</a:RelatesTo>", "000002</a:RelatesTo>"),
		"another action":              strings.ReplaceAll(good, "DiscoverResponse</a:Action>", "Discover</a:Action>"),
		"another version of SOAP":     strings.ReplaceAll(good, "http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/"),
		"something that is no answer": "<html/>",
	} {
		e, err := readEnvelope(200, []byte(text), actionDiscover+"Response", id)
		assert.True(t, err != nil || e.Body.Discover == nil, what)
	}
	document := vector(t, "provisioning")
	_, err := readProvision([]byte(document), "User", nil)
	assert.ErrorContains(t, err, "illegal base64", "the known document has no real certificates")
	_, err = readProvision([]byte(document), "System", nil)
	assert.Error(t, err, "the certificate is in the user's store")
}

func TestEveryStyleSaysTheSame(t *testing.T) {
	c := example()
	plain := c.policies("urn:uuid:1", exampleCredential)
	spaced := Style{Spaces: true}.write(plain)
	require.NotEqual(t, plain, spaced)
	assert.Contains(t, spaced, "\t4F7K9QXT\n")
	texts := func(message string) (list []string) {
		d := xml.NewDecoder(strings.NewReader(message))
		for {
			token, err := d.Token()
			if err != nil {
				return list
			}
			if text, ok := token.(xml.CharData); ok && strings.TrimSpace(string(text)) != "" {
				list = append(list, strings.TrimSpace(string(text)))
			}
		}
	}
	assert.Equal(t, texts(plain), texts(spaced))
	assert.Equal(t, [][2]string{{"MAC", "1"}, {"MAC", "1"}, {"DeviceID", "2"}}, Style{Doubled: true}.items([][2]string{{"MAC", "1"}, {"DeviceID", "2"}}))
	c.Style.NoSlash = true
	assert.Contains(t, c.discover("urn:uuid:1", "a@example.com", nil), `<Discover xmlns="http://schemas.microsoft.com/windows/management/2012/01/enrollment">`)
}
