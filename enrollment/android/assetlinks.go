package android

import "encoding/json"

// AssetLinksPath is where devices look for the document that [AssetLinks] makes:
// below the root of the host, by https, answered with 200 and not with a redirect.
const AssetLinksPath = "/.well-known/assetlinks.json"

// App is a program that may open the links of a host.
type App struct {
	Package string
	// Certificates are those of the keys that sign it; with Play App Signing,
	// Google's key.
	Certificates []Checksum
}

// AssetLinks returns the document by which a host lets apps open its links, so
// that a deployment URL opens the agent where it is installed. Without apps it is
// an empty list. An app without a certificate or a right name is [ErrLink].
func AssetLinks(apps ...App) ([]byte, error) {
	type target struct {
		Namespace    string   `json:"namespace"`
		Package      string   `json:"package_name"`
		Fingerprints []string `json:"sha256_cert_fingerprints"`
	}
	type statement struct {
		Relation []string `json:"relation"`
		Target   target   `json:"target"`
	}
	list := make([]statement, 0, len(apps))
	for _, app := range apps {
		if !IsPackage(app.Package) || len(app.Certificates) == 0 {
			return nil, ErrLink
		}
		t := target{Namespace: "android_app", Package: app.Package}
		for _, c := range app.Certificates {
			if c.IsZero() {
				return nil, ErrLink
			}
			t.Fingerprints = append(t.Fingerprints, c.Fingerprint())
		}
		list = append(list, statement{[]string{"delegate_permission/common.handle_all_urls"}, t})
	}
	return json.Marshal(list)
}
