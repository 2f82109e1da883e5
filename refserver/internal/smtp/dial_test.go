package smtp

import (
	"context"
	"net"

	"github.com/wneessen/go-mail"
)

// toAddress makes the client connect to address whatever its host is.
func toAddress(address string) mail.Option {
	return mail.WithDialContextFunc(func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	})
}
