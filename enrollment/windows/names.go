package windows

// The namespaces and names of MS-MDE2, MS-XCEP, MS-WSTEP and what they stand on.
const (
	nsSOAP       = "http://www.w3.org/2003/05/soap-envelope"
	nsAddressing = "http://www.w3.org/2005/08/addressing"
	nsDiscovery  = "http://schemas.microsoft.com/windows/management/2012/01/enrollment"
	nsPolicy     = "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy"
	nsEnrollment = "http://schemas.microsoft.com/windows/pki/2009/01/enrollment"
	nsTrust      = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
	nsContext    = "http://schemas.xmlsoap.org/ws/2006/12/authorization"
	nsSecurity   = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	nsUtility    = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
	nsActivity   = "http://schemas.microsoft.com/2004/09/ServiceModel/Diagnostics"
	nsInstance   = "http://www.w3.org/2001/XMLSchema-instance"
	nsSchema     = "http://www.w3.org/2001/XMLSchema"

	actionDiscover   = nsDiscovery + "/IDiscoveryService/Discover"
	actionDiscovered = actionDiscover + "Response"
	actionPolicies   = nsPolicy + "/IPolicy/GetPolicies"
	actionPolicy     = actionPolicies + "Response"
	actionRequest    = nsEnrollment + "/RST/wstep"
	actionResponse   = nsEnrollment + "/RSTRC/wstep"

	typeIssue = nsTrust + "/Issue"
	typeRenew = nsTrust + "/Renew"

	tokenType     = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentToken"
	valueDocument = "http://schemas.microsoft.com/5.0.0.0/ConfigurationManager/Enrollment/DeviceEnrollmentProvisionDoc"
	passwordText  = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"
	encodedBase64 = nsSecurity + "#base64binary"
)
