package invitation

import "time"

// Evidence is a step that was seen on the way from a mail to a managed device.
// It never changes a state: machines fetch links too.
type Evidence string

const (
	Fetched           Evidence = "fetched"            // the page was fetched, by a person or a scanner
	AcceptedByPerson  Evidence = "accepted"           // ownership and platform were chosen
	ProfileDownloaded Evidence = "profile_downloaded" // the enrollment profile was fetched
	StoreRedirected   Evidence = "store_redirected"   // the person was sent to the app store
	FirstContact      Evidence = "first_contact"      // a device spoke to the server
	CertificateIssued Evidence = "certificate_issued" // a device got its certificate
	ManagementActive  Evidence = "management_active"  // a device met all requirements
)

// Sighting is how often and when a step was seen for one invitation.
type Sighting struct {
	Site       string
	Invitation string
	Evidence   Evidence
	Count      int64
	First      time.Time
	Last       time.Time
}
