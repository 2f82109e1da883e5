package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"example.com/enrollkit/credentials"
	"example.com/enrollkit/enrollment/android"
)

// api plays the part of the Android Management API that enrollment needs.
type api struct {
	push    func(body []byte) int
	carried map[string]string // what each token carries, by its value
	devices int
	removed []string
}

// resource is a device as the API describes it, as far as this story goes.
type resource struct {
	Name           string    `json:"name"`
	AppliedState   string    `json:"appliedState"`
	Ownership      string    `json:"ownership"`
	ManagementMode string    `json:"managementMode"`
	TokenData      string    `json:"enrollmentTokenData"`
	Reported       time.Time `json:"lastStatusReportTime"`
	Hardware       hardware  `json:"hardwareInfo"`
	Software       software  `json:"softwareInfo"`
}

type hardware struct {
	Brand string `json:"brand"`
	Model string `json:"model"`
	ESID  string `json:"enterpriseSpecificId"`
}

type software struct {
	Version string `json:"androidVersion"`
}

// CreateToken is enterprises.enrollmentTokens.create with additionalData, duration,
// oneTimeOnly and allowPersonalUsage.
func (a *api) CreateToken(_ context.Context, r android.TokenRequest) (android.Token, error) {
	if a.carried == nil {
		a.carried = map[string]string{}
	}
	value := fmt.Sprintf("TOKEN%d", len(a.carried)+1)
	a.carried[value] = r.AdditionalData.Reveal()
	return android.Token{Value: credentials.SecretString(value)}, nil
}

// enroll is a phone that follows the link with a token.
func (a *api) enroll(token string) resource {
	a.devices++
	return resource{
		Name: fmt.Sprintf("enterprises/LC01/devices/%d", a.devices), Ownership: "PERSONALLY_OWNED", ManagementMode: "PROFILE_OWNER",
		TokenData: a.carried[token], Hardware: hardware{"Google", "Pixel 8", fmt.Sprintf("ESID-%d", a.devices)}, Software: software{"14"},
	}
}

// states in the order of a life, for the times of the reports.
var states = map[string]time.Duration{"PROVISIONING": 0, "ACTIVE": time.Millisecond, "DELETED": 2 * time.Millisecond}

var started = time.Now()

// notify publishes what became of a device to the push subscription.
func (a *api) notify(kind string, d resource, applied string) {
	d.AppliedState, d.Reported = applied, started.Add(states[applied])
	data, err := json.Marshal(d)
	if err != nil {
		panic(err)
	}
	body, err := json.Marshal(map[string]any{"message": map[string]any{
		"attributes": map[string]string{"notificationType": kind}, "messageId": d.Name + applied, "data": data,
	}})
	if err != nil {
		panic(err)
	}
	if status := a.push(body); status/100 != 2 {
		panic(fmt.Sprintf("push: %d", status))
	}
}

// remove is enterprises.devices.delete.
func (a *api) remove(data []byte) {
	var d resource
	if err := json.Unmarshal(data, &d); err != nil {
		panic(err)
	}
	a.removed = append(a.removed, d.Name)
}
