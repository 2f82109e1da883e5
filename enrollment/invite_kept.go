package enrollment

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"example.com/enrollkit/invitation"
)

// keptInvite is a result as a record keeps it: ids and codes, no address.
type keptInvite struct {
	User       string           `json:"u,omitempty"`
	Invitation string           `json:"i,omitempty"`
	State      invitation.State `json:"s,omitempty"`
	Replaced   string           `json:"r,omitempty"`
	Kept       bool             `json:"k,omitempty"`
	Code       string           `json:"c,omitempty"`
}

func keepInvites(results []InviteResult) []keptInvite {
	kept := make([]keptInvite, len(results))
	for i, r := range results {
		kept[i] = keptInvite{r.User, r.Invitation, r.State, r.Replaced, r.Kept, Code(r.Err)}
	}
	return kept
}

// repeatInvites gives the results of the first time again. Refusals of people
// are found anew from the plan, or have their code.
func repeatInvites(record []byte, planned []plannedInvite) ([]InviteResult, error) {
	var kept []keptInvite
	if err := json.Unmarshal(record, &kept); err != nil {
		return nil, fmt.Errorf("enrollment: kept answer: %w", err)
	}
	results := make([]InviteResult, len(kept))
	for i, k := range kept {
		results[i] = InviteResult{User: k.User, Invitation: k.Invitation, State: k.State, Replaced: k.Replaced, Kept: k.Kept, Err: errorOf(k.Code)}
		if i < len(planned) {
			results[i].Email = firstOf(planned[i].email, planned[i].Email)
		}
	}
	return results, nil
}

// answered returns the kept answer of a key, nil if there is none, or
// ErrKeyReused if it belongs to another request.
//
// A keyed fingerprint has a candidate for each key; with none, any request is
// the same.
func (u *unit) answered(ctx context.Context, site, scope, key string, fingerprints ...[]byte) ([]byte, error) {
	old, err := u.Records().Get(ctx, site, scope, key)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case !u.now.Before(old.ExpiresAt):
		return nil, nil
	case len(fingerprints) > 0 && !slices.ContainsFunc(fingerprints, func(f []byte) bool { return bytes.Equal(f, old.Fingerprint) }):
		return nil, ErrKeyReused
	}
	return old.Result, nil
}
