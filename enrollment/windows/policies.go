package windows

import "context"

var policies = operation{"windows/policy", actionPolicies, actionPolicy, (*exchange).policies}

// policies says what certificates are for, to whoever proves a login. The login is
// not used up by that: it comes again with the request for a certificate.
func (x *exchange) policies(ctx context.Context, d *document) error {
	if x.message.body.name.Space != nsPolicy || x.message.body.name.Local != "GetPolicies" {
		return refuse(faultEnrollmentData, "policies_malformed")
	}
	login, err := x.login()
	if err != nil {
		return err
	}
	if _, err := x.svc.CheckLogin(ctx, x.step, login); err != nil {
		x.noted = proved(err)
		return err
	}
	writePolicies(d, x.message.id, x.cfg.ProviderID)
	return nil
}

// What a certificate is for, as MS-XCEP says it: a year, renewed in its second
// half; the authority decides, and a device asks by ROBOSupport.
const (
	policyValidity = "31536000"
	policyRenewal  = "15552000"
	policyKey      = "2048"
)

const absent = ` xsi:nil="true"/>`

func writePolicies(d *document, relatesTo, providerID string) {
	d.raw(`<s:Envelope xmlns:s="`, nsSOAP, `" xmlns:a="`, nsAddressing, `"><s:Header><a:Action s:mustUnderstand="1">`, actionPolicy, `</a:Action>`)
	if relatesTo != "" {
		d.leaf("a:RelatesTo", relatesTo)
	}
	d.raw(`</s:Header><s:Body xmlns:xsi="`, nsInstance, `" xmlns:xsd="`, nsSchema, `"><GetPoliciesResponse xmlns="`, nsPolicy, `">`,
		`<response><policyID/><policyFriendlyName`, absent, `<nextUpdateHours`, absent, `<policiesNotChanged`, absent,
		`<policies><policy><policyOIDReference>0</policyOIDReference><cAs`, absent,
		`<attributes><commonName>`, providerID, `</commonName><policySchema>3</policySchema>`,
		`<certificateValidity><validityPeriodSeconds>`, policyValidity, `</validityPeriodSeconds><renewalPeriodSeconds>`, policyRenewal, `</renewalPeriodSeconds></certificateValidity>`,
		`<permission><enroll>true</enroll><autoEnroll>false</autoEnroll></permission>`,
		`<privateKeyAttributes><minimalKeyLength>`, policyKey, `</minimalKeyLength><keySpec`, absent, `<keyUsageProperty`, absent,
		`<permissions`, absent, `<algorithmOIDReference`, absent, `<cryptoProviders`, absent, `</privateKeyAttributes>`,
		`<revision><majorRevision>101</majorRevision><minorRevision>0</minorRevision></revision>`,
		`<supersededPolicies`, absent, `<privateKeyFlags`, absent, `<subjectNameFlags`, absent, `<enrollmentFlags`, absent, `<generalFlags`, absent,
		`<hashAlgorithmOIDReference>0</hashAlgorithmOIDReference><rARequirements`, absent, `<keyArchivalAttributes`, absent, `<extensions`, absent,
		`</attributes></policy></policies></response><cAs`, absent,
		`<oIDs><oID><value>2.16.840.1.101.3.4.2.1</value><group>4</group><oIDReferenceID>0</oIDReferenceID><defaultName>szOID_NIST_sha256</defaultName></oID>`,
		`<oID><value>1.2.840.113549.1.1.1</value><group>3</group><oIDReferenceID>1</oIDReferenceID><defaultName>szOID_RSA_RSA</defaultName></oID></oIDs>`,
		`</GetPoliciesResponse></s:Body></s:Envelope>`)
}
