package enrollment

import (
	"context"
	"log/slog"
)

type requestID struct{}

// WithRequestID names the request that a call belongs to: every line that the
// Service, enrollhttp and adminhttp log for it has the id as "request_id". The
// two HTTP packages call it for each request that has none; call it before them
// to give requests ids of your own. It goes into logs and answers as it is, so
// take none from a client without looking at it.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestID{}, id)
}

// RequestID returns the id that [WithRequestID] gave, or "". A Directory, Sites,
// an Observer find it in the context they are called with.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestID{}).(string)
	return id
}

// LogRequestID returns a handler that adds "request_id" to each record whose
// context has one, for loggers of the embedder's own. The loggers given to the
// Service and the HTTP packages have it without.
func LogRequestID(h slog.Handler) slog.Handler {
	if _, ok := h.(requestLog); ok {
		return h
	}
	return requestLog{h}
}

type requestLog struct{ slog.Handler }

// Handle implements slog.Handler.
func (l requestLog) Handle(ctx context.Context, r slog.Record) error {
	if id := RequestID(ctx); id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("request_id", id))
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l requestLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestLog{l.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (l requestLog) WithGroup(name string) slog.Handler {
	return requestLog{l.Handler.WithGroup(name)}
}
