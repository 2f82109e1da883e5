package windows

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	// onPremise is the one way to sign in that is offered: a user name and a password.
	onPremise = "OnPremise"
	// clientWindows is what computers call themselves, and phones do not.
	clientWindows = "CIMClient_Windows"
)

// enrollmentVersion is the greatest version that is spoken.
const enrollmentVersion = 4.0

var discovering = operation{"windows/discovery", actionDiscover, actionDiscovered, (*exchange).discover}

// discovery answers the probe of whether there is a server, and the question where.
func (s server) discovery(w http.ResponseWriter, r *http.Request) {
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && !r.URL.Query().Has("appru") {
		w.Header().Set("Content-Length", "0")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK)
		return
	}
	s.soap(w, r, discovering)
}

// discover says where policy and enrollment are, and how to sign in. It does not
// look at whose address it is: that would tell who is known here.
func (x *exchange) discover(ctx context.Context, d *document) error {
	asked, err := parseDiscover(x.message.body)
	if err != nil {
		return err
	}
	if asked.deviceType != "" && asked.deviceType != clientWindows {
		return refuse(faultDeviceNotSupported, "device_type_not_supported")
	}
	if len(asked.policies) > 0 && !slices.Contains(asked.policies, onPremise) {
		return refuse(faultNotSupported, "sign_in_not_supported")
	}
	site, err := x.siteOf(ctx, x.r.Host)
	if err != nil {
		return err
	}
	at, err := x.endpoints(site)
	if err != nil {
		return err
	}
	writeDiscovered(d, x.message.id, x.activity, asked.version(), at)
	return nil
}

// discoverRequest is what is used of Discover.
type discoverRequest struct {
	requestVersion string
	deviceType     string
	policies       []string // ways to sign in; none: it does not say
}

// parseDiscover reads the body. Its namespace comes with and without a slash at
// the end.
func parseDiscover(body *element) (q discoverRequest, err error) {
	bad := refuse(faultEnrollmentData, "discover_malformed")
	if body.name.Local != "Discover" || strings.TrimSuffix(body.name.Space, "/") != nsDiscovery {
		return q, bad
	}
	request := body.child("", "request")
	if request == nil {
		return q, bad
	}
	q.requestVersion = request.child("", "RequestVersion").value()
	q.deviceType = request.child("", "DeviceType").value()
	for _, p := range request.child("", "AuthPolicies").all("", "AuthPolicy") {
		q.policies = append(q.policies, p.value())
	}
	return q, nil
}

// version is the one to speak: not above what the device asks for.
func (q discoverRequest) version() string {
	v, err := strconv.ParseFloat(q.requestVersion, 64)
	if err != nil || !(v >= 1 && v < enrollmentVersion) {
		v = enrollmentVersion
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

func writeDiscovered(d *document, relatesTo, activity, version string, at Endpoints) {
	d.raw(`<s:Envelope xmlns:s="`, nsSOAP, `" xmlns:a="`, nsAddressing, `"><s:Header><a:Action s:mustUnderstand="1">`, actionDiscovered,
		`</a:Action><ActivityId CorrelationId="`, activity, `" xmlns="`, nsActivity, `">`, activity, `</ActivityId>`)
	if relatesTo != "" {
		d.leaf("a:RelatesTo", relatesTo)
	}
	d.raw(`</s:Header><s:Body xmlns:xsi="`, nsInstance, `" xmlns:xsd="`, nsSchema, `"><DiscoverResponse xmlns="`, nsDiscovery,
		`"><DiscoverResult><AuthPolicy>`, onPremise, `</AuthPolicy><EnrollmentVersion>`, version, `</EnrollmentVersion>`)
	d.leaf("EnrollmentPolicyServiceUrl", at.Policy)
	d.leaf("EnrollmentServiceUrl", at.Enrollment)
	d.raw(`</DiscoverResult></DiscoverResponse></s:Body></s:Envelope>`)
}
