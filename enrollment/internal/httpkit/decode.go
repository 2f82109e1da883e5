package httpkit

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
)

// The codes of a [BodyError].
const (
	CodeBadJSON     = "bad_json"
	CodeTooLarge    = "body_too_large"
	CodeUnsupported = "unsupported_media_type"
)

// BodyError says why a body was not taken. It never holds what was in it.
type BodyError struct {
	Status int    // 400, 413 or 415
	Code   string // one of the constants above
	Detail string // one fixed sentence
}

func (e *BodyError) Error() string { return "httpkit: " + e.Code + ": " + e.Detail }

// DecodeJSON reads the body of r, at most limit bytes, into v, a pointer to a
// struct. It takes exactly one JSON object in UTF-8, and refuses what decoders
// usually let pass: fields that v does not have, spelled exactly; a key that
// appears twice; anything behind the object; nesting beyond [MaxDepth]; half a
// surrogate pair. A null is as good as an absent field. Every error is a
// [*BodyError], and nothing was done.
func DecodeJSON(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	if !isJSON(r.Header) {
		return &BodyError{http.StatusUnsupportedMediaType, CodeUnsupported, "The body has to be application/json, not compressed."}
	}
	if r.ContentLength > limit {
		return tooLarge()
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge()
	}
	if err != nil {
		return badJSON("The body was cut short.")
	}
	if err := checkStrictly(body, reflect.TypeOf(v)); err != nil {
		return err
	}
	// Its errors quote the input and are dropped on purpose.
	if err := json.Unmarshal(body, v); err != nil {
		return badJSON("A field has the wrong type.")
	}
	return nil
}

// isJSON reports whether the body is said to be plain JSON. Absent is fine.
func isJSON(h http.Header) bool {
	if coding := h.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return false
	}
	said := h.Values("Content-Type")
	if len(said) == 0 || len(said) == 1 && said[0] == "" {
		return true
	}
	media, params, err := mime.ParseMediaType(said[0])
	if err != nil || len(said) > 1 || media != "application/json" {
		return false
	}
	charset, given := params["charset"]
	return !given || strings.EqualFold(charset, "utf-8")
}

func badJSON(detail string) error {
	return &BodyError{http.StatusBadRequest, CodeBadJSON, detail}
}

func tooLarge() error {
	return &BodyError{http.StatusRequestEntityTooLarge, CodeTooLarge, "The body is too large."}
}
