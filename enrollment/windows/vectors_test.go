package windows_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment/windows"
)

// vector is a message as the specification has it, in testdata.
func vector(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".xml"))
	require.NoError(t, err)
	return string(text)
}

func TestTheVectorsAreRead(t *testing.T) {
	version, ways, err := windows.DiscoverRequest([]byte(vector(t, "discover")))
	require.NoError(t, err)
	assert.Equal(t, "4.0", version)
	assert.Equal(t, []string{"OnPremise", "Federated"}, ways)

	for name, action := range map[string]string{"get_policies": getPolicies, "request": requestToken} {
		got, id, username, password, err := windows.Login([]byte(vector(t, name)))
		require.NoError(t, err)
		assert.Equal(t, action, got)
		assert.True(t, strings.HasPrefix(id, "urn:uuid:"))
		assert.Equal(t, "user@example.com", username)
		assert.Equal(t, "4F7K9QXT", password)
	}

	text := strings.Replace(vector(t, "request"), "B64-DER-PKCS10", base64.StdEncoding.EncodeToString([]byte("a request")), 1)
	renew, request, context, err := windows.TokenRequest([]byte(text))
	require.NoError(t, err)
	assert.False(t, renew)
	assert.Equal(t, "a request", string(request))
	assert.Equal(t, map[string]string{
		"DeviceID": "7BA748C8703E4DF2A74A92984117346A", "DeviceName": "DESKTOP-1", "EnrollmentType": "Full",
		"DeviceType": "CIMClient_Windows", "OSVersion": "10.0.22631.0", "HWDevID": "00AA11BB",
	}, context)

	source, left, begins, _, reply, err := windows.Session([]byte(vector(t, "unenrolled")))
	require.NoError(t, err)
	assert.Equal(t, "7BA748C8703E4DF2A74A92984117346A", source)
	assert.True(t, left)
	assert.False(t, begins)
	assert.Equal(t, `<SyncML xmlns="SYNCML:SYNCML1.2"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>1</MsgID>`+
		`<Target><LocURI>7BA748C8703E4DF2A74A92984117346A</LocURI></Target><Source><LocURI>https://mdm.example.com/ManagementServer/MDM.svc</LocURI></Source></SyncHdr>`+
		`<SyncBody><Status><CmdID>1</CmdID><MsgRef>1</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>200</Data></Status>`+
		`<Status><CmdID>2</CmdID><MsgRef>1</MsgRef><CmdRef>2</CmdRef><Cmd>Alert</Cmd><Data>200</Data></Status><Final/></SyncBody></SyncML>`, reply)
}

func TestTheVectorsAreWrittenByteForByte(t *testing.T) {
	assert.Equal(t, vector(t, "discover_response"), windows.WriteDiscovered(
		"urn:uuid:748132ec-0000-0000-0000-000000000001", "d9eb2fdd-0000-0000-0000-000000000002", "4.0", windows.Endpoints{
			Policy:     "https://mdm.example.com/EnrollmentServer/Policy.svc",
			Enrollment: "https://mdm.example.com/EnrollmentServer/Enrollment.svc",
		}))
	document := "<wap-provisioningdoc/>"
	assert.Equal(t, strings.Replace(vector(t, "response"), "B64-PROVISIONING-DOC", base64.StdEncoding.EncodeToString([]byte(document)), 1),
		windows.WriteIssued("urn:uuid:0d5a1441-0000-0000-0000-000000000004", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), document))
	assert.Equal(t, vector(t, "provisioning"), windows.WriteVector("B64", "ROOTSHA1", "B64", "CLIENTSHA1", "enr-01J8ZK"))
	for _, f := range windows.Faults("urn:uuid:0d5a1441-0000-0000-0000-000000000004", "2493ee37-0000-0000-0000-000000000005") {
		if f.Name == "DeviceCapReached" {
			assert.Equal(t, vector(t, "fault"), f.XML)
		}
	}
}

func TestTheDeepLinkIsThatOfTheSpecification(t *testing.T) {
	assert.Equal(t, "ms-device-enrollment:?mode=mdm&username=a%2Bb%40example.com&servername=https%3A%2F%2Fmdm.example.com&ownership=2",
		windows.DeepLink{Username: "a+b@example.com", Server: "https://mdm.example.com", Ownership: device.Personal}.String())
	assert.Equal(t, "ms-device-enrollment:?mode=mdm&username=%22%20%26%3C&ownership=3",
		windows.DeepLink{Username: `" &<`, Ownership: device.Company}.String())
	assert.Equal(t, "ms-device-enrollment:?mode=mdm&ownership=1", windows.DeepLink{}.String())
}

// The table of Microsoft's documentation, with the subcodes and result codes.
func TestEveryFaultIsThatOfTheTable(t *testing.T) {
	want := []struct {
		name, subcode string
		result        uint32
		typed         bool
	}{
		{"MessageFormat", "s:MessageFormat", 0x80180001, false},
		{"Authentication", "s:Authentication", 0x80180002, false},
		{"Authorization", "s:Authorization", 0x80180003, false},
		{"CertificateRequest", "s:CertificateRequest", 0x80180004, false},
		{"EnrollmentServer", "s:EnrollmentServer", 0x80180005, false},
		{"InternalServiceFault", "a:InternalServiceFault", 0x80180006, false},
		{"InvalidSecurity", "a:InvalidSecurity", 0x80180007, false},
		{"DeviceCapReached", "s:Authorization", 0x80180013, true},
		{"DeviceNotSupported", "s:Authorization", 0x80180014, true},
		{"NotSupported", "s:Authorization", 0x80180015, true},
		{"NotEligibleToRenew", "s:Authorization", 0x80180016, true},
		{"UserLicense", "s:Authorization", 0x80180018, true},
		{"InvalidEnrollmentData", "s:Authorization", 0x80180019, true},
	}
	got := windows.Faults("urn:uuid:1", "trace")
	require.Len(t, got, len(want))
	for i, f := range got {
		assert.Equal(t, want[i].name, f.Name)
		assert.Equal(t, want[i].subcode, f.Subcode)
		assert.Equal(t, want[i].result, f.Result)
		assert.Equal(t, want[i].typed, f.Typed)
		assert.Contains(t, f.XML, "<s:Subcode><s:Value>"+f.Subcode+"</s:Value></s:Subcode>")
		assert.Equal(t, f.Typed, strings.Contains(f.XML, "<ErrorType>"+f.Name+"</ErrorType>"))
	}
}
