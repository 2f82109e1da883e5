package enrollment

import (
	"encoding/base64"
	"encoding/binary"

	"example.com/enrollkit/credentials"
)

// maxPageToken bounds what is decoded, in characters; a token that we made
// holds an id and a sort key.
const maxPageToken = 4096

// pageToken says where a page ended: opaque to its holder and worthless for
// any other kind of list, site or query. Another page size may go on with it.
func (s *Service) pageToken(kind, site, query string, pos ...string) string {
	var b []byte
	for _, p := range pos {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	mac := s.keys().MAC(credentials.PurposeCursor, []byte(kind), []byte(site), []byte(query), b)
	return base64.RawURLEncoding.EncodeToString(append(mac.Bytes(), b...))
}

// openPageToken returns the n parts that pageToken was given, or
// [ErrPageToken]. Without the MAC, a client could ask the store for positions
// of its own making, and carry a position from one site to another.
func (s *Service) openPageToken(kind, site, query, token string, n int) ([]string, error) {
	if len(token) > maxPageToken {
		return nil, ErrPageToken
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) < credentials.MACBytes {
		return nil, ErrPageToken
	}
	mac, err := credentials.ParseMAC(raw[:credentials.MACBytes])
	if err != nil {
		return nil, ErrPageToken
	}
	b := raw[credentials.MACBytes:]
	// A token of a key that is gone is no more than an old page: start again.
	ok, err := s.keys().Verify(mac, credentials.PurposeCursor, []byte(kind), []byte(site), []byte(query), b)
	if err != nil || !ok {
		return nil, ErrPageToken
	}
	pos := make([]string, 0, n)
	for len(b) > 0 {
		size, used := binary.Uvarint(b)
		if used <= 0 || size > uint64(len(b)-used) {
			return nil, ErrPageToken
		}
		pos = append(pos, string(b[used:used+int(size)]))
		b = b[used+int(size):]
	}
	if len(pos) != n {
		return nil, ErrPageToken
	}
	return pos, nil
}

// pageSize returns how many rows a page has.
func pageSize(asked int) (int, error) {
	switch {
	case asked < 0, asked > MaxPageSize:
		return 0, invalid("page_size", "out_of_range")
	case asked == 0:
		return DefaultPageSize, nil
	}
	return asked, nil
}
