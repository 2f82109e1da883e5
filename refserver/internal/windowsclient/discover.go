package windowsclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// Services are the addresses that discovery tells.
type Services struct{ Policy, Enrollment string }

type discoverResponse struct {
	Result struct {
		AuthPolicy                 string
		EnrollmentVersion          string
		EnrollmentPolicyServiceUrl string //nolint:revive // as on the wire
		EnrollmentServiceUrl       string //nolint:revive // as on the wire
	} `xml:"DiscoverResult"`
}

// Probe is the GET with which Windows finds out whether there is a server.
func (c *Client) Probe(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.discovery, nil)
	if err != nil {
		return errors.New("windowsclient: malformed address")
	}
	r.Header.Set("User-Agent", "Windows Enrollment Client")
	response, err := c.HTTP.Do(r)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK || response.ContentLength != 0 {
		return fmt.Errorf("windowsclient: the probe was answered %d with a length of %d", response.StatusCode, response.ContentLength)
	}
	return nil
}

// Discover asks where the services are. Policies are those the client can do;
// empty: as Windows 11.
func (c *Client) Discover(ctx context.Context, email string, policies ...string) error {
	if len(policies) == 0 {
		policies = []string{"OnPremise", "Federated"}
	}
	id := c.messageID()
	e, err := c.call(ctx, c.discovery, c.discover(id, email, policies), actionDiscover+"Response", id)
	if err != nil {
		return err
	}
	d := e.Body.Discover
	if d == nil {
		return errors.New("windowsclient: an answer without a DiscoverResponse")
	}
	if d.Result.AuthPolicy != "OnPremise" {
		return fmt.Errorf("windowsclient: AuthPolicy %q", d.Result.AuthPolicy)
	}
	policy, err := url.Parse(d.Result.EnrollmentPolicyServiceUrl)
	if err != nil {
		return err
	}
	enrollment, err := url.Parse(d.Result.EnrollmentServiceUrl)
	if err != nil {
		return err
	}
	if policy.Host == "" || policy.Host != enrollment.Host {
		return errors.New("windowsclient: policy and enrollment are not on one host")
	}
	c.Services = Services{Policy: policy.String(), Enrollment: enrollment.String()}
	return nil
}

// discover writes the message.
func (c *Client) discover(id, email string, policies []string) string {
	space := "http://schemas.microsoft.com/windows/management/2012/01/enrollment/"
	if c.Style.NoSlash {
		space = space[:len(space)-1]
	}
	version := c.Style.Version
	if version == "" {
		version = "4.0"
	}
	list := ""
	for _, p := range policies {
		list += "<AuthPolicy>" + escape(p) + "</AuthPolicy>"
	}
	return fmt.Sprintf(discoverMessage, actionDiscover, id, escape(c.discovery), space, escape(email), version, escape(c.Device.OSVersion), list)
}
