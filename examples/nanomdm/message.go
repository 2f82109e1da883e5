package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/micromdm/nanomdm/mdm"
	"github.com/micromdm/nanomdm/service/webhook"
	"github.com/micromdm/plist"

	"example.com/enrollkit/enrollment/apple"
)

// enrollkit parses nothing; this is all that it needs to be told.

func readAuthenticate(raw []byte) (apple.Authenticate, error) {
	var m struct {
		UDID, EnrollmentID, Topic    string
		OSVersion, BuildVersion      string
		ProductName, SerialNumber    string
		IMEI, MEID                   string
		DeviceName, Model, ModelName string
	}
	if err := plist.Unmarshal(raw, &m); err != nil {
		return apple.Authenticate{}, err
	}
	return apple.Authenticate{
		Identity: apple.Identity{UDID: m.UDID, EnrollmentID: m.EnrollmentID}, Topic: m.Topic,
		OSVersion: m.OSVersion, BuildVersion: m.BuildVersion, ProductName: m.ProductName, SerialNumber: m.SerialNumber,
		IMEI: m.IMEI, MEID: m.MEID, DeviceName: m.DeviceName, Model: m.Model, ModelName: m.ModelName,
	}, nil
}

// connected takes a device that asks for commands or answers one.
func connected(ctx context.Context, c apple.CheckIns, from apple.Sender, m *mdm.CommandResults, at time.Time) error {
	who := identityOf(m.Enrollment)
	var answer struct {
		QueryResponses *struct {
			DeviceName, OSVersion, ProductName, SerialNumber string
			IsSupervised                                     *bool
		}
		SecurityInfo *struct {
			ManagementStatus struct{ UserApprovedEnrollment *bool }
		}
	}
	if err := plist.Unmarshal(m.Raw, &answer); err != nil {
		return err
	}
	_, err := c.Connect(ctx, from, apple.Connect{Identity: who, Status: m.Status}, at)
	if q := answer.QueryResponses; err == nil && q != nil {
		_, err = c.DeviceInformation(ctx, from, apple.DeviceInformation{
			Identity: who, DeviceName: q.DeviceName, OSVersion: q.OSVersion, ProductName: q.ProductName,
			SerialNumber: q.SerialNumber, IsSupervised: q.IsSupervised,
		}, at)
	}
	if s := answer.SecurityInfo; err == nil && s != nil {
		_, err = c.SecurityInfo(ctx, from, apple.SecurityInfo{Identity: who, UserApprovedEnrollment: s.ManagementStatus.UserApprovedEnrollment}, at)
	}
	return err
}

// text is a property list of texts, as a device would send it.
func text(pairs ...string) []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict>`)
	for i := 0; i+1 < len(pairs); i += 2 {
		fmt.Fprintf(&b, "<key>%s</key><string>%s</string>", pairs[i], pairs[i+1])
	}
	b.WriteString("</dict></plist>")
	return []byte(b.String())
}

func base64Of(raw []byte) webhook.RawPayload {
	return webhook.RawPayload(base64.StdEncoding.EncodeToString(raw))
}
