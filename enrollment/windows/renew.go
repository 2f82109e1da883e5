package windows

import (
	"context"
	"errors"

	"example.com/enrollkit/device"
	"example.com/enrollkit/enrollment"
)

// renew gives a device another certificate for the one that signed the request. It
// is the signature that counts, so that it works behind a proxy which asks nobody
// for certificates; what the request says of the device beside it does not.
func (x *exchange) renew(ctx context.Context, q tokenRequest, d *document) error {
	x.operation.step = Name + "/renew"
	request, old, err := parseSigned(q.request)
	if err != nil {
		return err
	}
	public, err := parseCSR(request)
	if err != nil {
		return err
	}
	from, err := x.cfg.Authority.Holder(ctx, old)
	x.site = from.Site
	if err != nil {
		if errors.Is(err, ErrCertificateUnknown) || errors.Is(err, ErrCertificateExpired) {
			return err
		}
		return accident(err)
	}
	as, ok := parseEnrolledAs(from.Enrollment)
	if !ok {
		return ErrCertificateUnknown
	}
	switch status, err := x.contact(ctx, from, as, device.Observation{}); {
	case errors.Is(err, enrollment.ErrDeviceGone), errors.Is(err, enrollment.ErrSuperseded):
		return refuse(faultNotEligibleToRenew, codeOf(err))
	case err != nil:
		return err
	case !status.State.Live():
		return refuse(faultNotEligibleToRenew, "device_unenrolled")
	}
	root, cert, err := x.certify(ctx, public, CertificateRequest{
		Site: from.Site, Enrollment: from.Enrollment, Grant: as.grant, Renews: old,
	})
	if err != nil {
		return err
	}
	var inner document
	provisioning{store: as.store, providerID: x.cfg.ProviderID}.certificates(root, cert).writeRenewed(&inner)
	writeIssued(d, x.message.id, x.svc.Now(), inner.Bytes())
	return nil
}

// contact tells the Service what a device with this certificate says, now.
func (s server) contact(ctx context.Context, from Sender, as enrolledAs, o device.Observation) (enrollment.Status, error) {
	o.Site, o.Source, o.At = from.Site, device.Source(Name), s.svc.Now()
	// Not by the device's id: it may have another enrollment by now, of which this
	// one says nothing.
	o.Ref, o.Was = as.ref(), as.device
	return s.svc.Observe(ctx, o)
}
