package applemdm

import (
	"context"

	"github.com/micromdm/plist"

	"example.com/enrollkit/enrollment"
	"example.com/enrollkit/enrollment/apple"
)

// information is the answer to DeviceInformation. Of what else devices may say,
// the inventory has what is here.
type information struct {
	QueryResponses *struct {
		DeviceName, OSVersion, BuildVersion string
		ProductName, Model, ModelName       string
		SerialNumber, IMEI, MEID            string
		IsSupervised                        *bool
		DeviceCapacity                      *float64
		BatteryLevel                        *float64
	}
}

// security is the answer to SecurityInfo.
type security struct {
	SecurityInfo *struct {
		ManagementStatus *struct {
			EnrolledViaDEP         *bool
			UserApprovedEnrollment *bool
			IsUserEnrollment       *bool
		}
	}
}

// answer tells the Service what a device answered to a command of ours. An answer
// that lacks what was asked for says nothing.
func (o *observer) answer(ctx context.Context, from apple.Sender, who apple.Identity, kind string, raw []byte, before enrollment.Status) (enrollment.Status, error) {
	now := o.server.svc.Now()
	switch kind {
	case kindInformation:
		var said information
		if err := plist.Unmarshal(raw, &said); err != nil {
			return before, malformed(err)
		}
		q := said.QueryResponses
		if q == nil {
			return before, nil
		}
		more := map[string]any{}
		if q.DeviceCapacity != nil {
			more["DeviceCapacity"] = *q.DeviceCapacity
		}
		if q.BatteryLevel != nil {
			more["BatteryLevel"] = *q.BatteryLevel
		}
		return o.checkins.DeviceInformation(ctx, from, apple.DeviceInformation{
			Identity: who, DeviceName: q.DeviceName, OSVersion: q.OSVersion, BuildVersion: q.BuildVersion,
			ProductName: q.ProductName, Model: q.Model, ModelName: q.ModelName,
			SerialNumber: q.SerialNumber, IMEI: q.IMEI, MEID: q.MEID, IsSupervised: q.IsSupervised, More: more,
		}, now)
	case kindSecurity:
		var said security
		if err := plist.Unmarshal(raw, &said); err != nil {
			return before, malformed(err)
		}
		if said.SecurityInfo == nil || said.SecurityInfo.ManagementStatus == nil {
			return before, nil
		}
		s := said.SecurityInfo.ManagementStatus
		return o.checkins.SecurityInfo(ctx, from, apple.SecurityInfo{
			Identity: who, EnrolledViaDEP: s.EnrolledViaDEP, UserApprovedEnrollment: s.UserApprovedEnrollment, IsUserEnrollment: s.IsUserEnrollment,
		}, now)
	}
	return before, nil
}
