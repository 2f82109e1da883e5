package server

import (
	"context"
	"net/url"

	"example.com/enrollkit/credentials"
)

// Simulate plays the people and devices of the demo site against a running
// server: it reads their mail and speaks for their devices. It returns when ctx
// ends.
type Simulate func(ctx context.Context, base *url.URL, adminToken credentials.Secret) error
