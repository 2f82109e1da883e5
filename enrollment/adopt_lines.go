package enrollment

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"example.com/enrollkit/device"
)

// MaxAdoptionLine is the greatest length of a line of [ReadAdoptions] in bytes.
const MaxAdoptionLine = 64 << 10

// What is wrong with a line. It never holds what the line said.
var (
	ErrLineTooLong   = errors.New("longer than 64 KiB")
	ErrLineMalformed = errors.New("not one JSON object with the fields of an adoption")
)

// LineError says which line could not be read. It unwraps to [ErrLineTooLong],
// [ErrLineMalformed], or the reader's error.
type LineError struct {
	Line int // the first is 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("enrollment: line %d: %v", e.Line, e.Err) }

// Unwrap returns Err.
func (e *LineError) Unwrap() error { return e.Err }

// ReadAdoptions reads JSON Lines: one [Adoption] in each line, in UTF-8; empty
// lines are skipped. Fields that an Adoption does not have, or has twice, are
// refused, so that a misspelled one is not lost silently. An error is a
// [*LineError]; those of a line may be gone over, and the lines behind it follow.
// After an error of r nothing follows.
func ReadAdoptions(r io.Reader) iter.Seq2[Adoption, error] {
	return func(yield func(Adoption, error) bool) {
		in := bufio.NewReaderSize(r, MaxAdoptionLine+len("\r\n"))
		for n := 1; ; n++ {
			line, err := in.ReadSlice('\n')
			long := errors.Is(err, bufio.ErrBufferFull)
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = in.ReadSlice('\n') // the rest of the line
			}
			if err != nil && !errors.Is(err, io.EOF) {
				yield(Adoption{}, &LineError{n, err})
				return
			}
			row, wrong := Adoption{}, error(nil)
			if line = bytes.TrimSpace(line); long {
				wrong = ErrLineTooLong
			} else if len(line) > 0 {
				row, wrong = readAdoption(line)
			}
			if wrong != nil {
				row, wrong = Adoption{}, &LineError{n, wrong}
			}
			if (wrong != nil || len(line) > 0) && !yield(row, wrong) || err != nil {
				return
			}
		}
	}
}

// readAdoption reads one line. The decoder's errors quote it and are dropped.
func readAdoption(line []byte) (row Adoption, err error) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if line[0] != '{' || !utf8.Valid(line) || decoder.Decode(&row) != nil {
		return Adoption{}, ErrLineMalformed
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) || !exactKeys(line) {
		return Adoption{}, ErrLineMalformed
	}
	return row, nil
}

// exactKeys reports whether no object in a line of JSON has a key twice, or in
// capitals: the decoder takes the last of two, and any case.
func exactKeys(line []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(line))
	var open []map[string]bool // the keys of each object around; nil: a list
	key := false               // what comes next is a key, or the end of the object
	for {
		token, err := decoder.Token()
		if err != nil {
			return true // the end
		}
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{':
				open = append(open, map[string]bool{})
			case '[':
				open = append(open, nil)
			default:
				open = open[:len(open)-1]
			}
			key = len(open) > 0 && open[len(open)-1] != nil
			continue
		case string:
			if key {
				keys := open[len(open)-1]
				if keys[t] || t != strings.ToLower(t) {
					return false
				}
				keys[t], key = true, false
				continue
			}
		}
		key = len(open) > 0 && open[len(open)-1] != nil
	}
}

// exportPage is how many devices ExportDevices reads at once.
const exportPage = 500

// ExportDevices writes every device of the actor's site that is not deleted to w,
// in lines that [ReadAdoptions] reads and [Service.Adopt] takes: a fleet moves to
// another store, or another site, without enrolling again. A device that no
// other system knows is named by [RefSource]. What a line does not hold does not
// move: device tokens, inventories, and which source said what.
//
// It reads page by page, so devices that change meanwhile are written as they
// were or as they are. An error means that what was written is not all.
func (s *Service) ExportDevices(ctx context.Context, by Actor, w io.Writer) (err error) {
	defer s.did(ctx, "export_devices", by.Site, s.began(), &err)
	if err := s.authorize(ctx, by, PermExport); err != nil {
		return err
	}
	if _, err := s.site(ctx, by.Site); err != nil {
		return err
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	for after := ""; ; {
		var page []Adoption
		last := ""
		err := s.view(ctx, func(ctx context.Context, u *unit) error {
			list, err := u.Devices().List(ctx, DeviceQuery{Site: by.Site, After: after, Limit: exportPage})
			if err != nil {
				return err
			}
			page, last = make([]Adoption, 0, len(list)), ""
			for _, d := range list {
				row, err := u.adoptionOf(ctx, d)
				if err != nil {
					return err
				}
				page, last = append(page, row), d.ID
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, row := range page {
			if err := out.Encode(row); err != nil {
				return fmt.Errorf("enrollment: export of devices: %w", err)
			}
		}
		if after = last; len(page) < exportPage {
			return nil
		}
	}
}

// adoptionOf is the line by which a device could be adopted elsewhere.
func (u *unit) adoptionOf(ctx context.Context, d device.Device) (Adoption, error) {
	contact, err := u.contactOf(ctx, d.Site, d.ID)
	if err != nil {
		return Adoption{}, err
	}
	user, err := u.userOf(ctx, d.Site, d.User)
	if err != nil {
		return Adoption{}, err
	}
	row := Adoption{
		Ref: device.Ref{Source: RefSource, ID: d.ID}, User: d.User, Platform: d.Platform, Mode: d.Mode, Ownership: d.Ownership,
		State: d.State, Hardware: d.Hardware, Name: d.Name, Manufacturer: d.Manufacturer, Model: d.Model, OSVersion: d.OSVersion,
		EnrolledAt: d.EnrolledAt, LastContact: contact.At, Since: d.Since,
	}
	if user.Outside {
		row.User, row.Email, row.UserName = "", user.Email, user.Name
	}
	if len(d.Refs) > 0 {
		row.Ref, row.MoreRefs = d.Refs[0], d.Refs[1:]
	}
	for fact := range d.Facts {
		if row.Facts == nil {
			row.Facts = map[device.Fact]bool{}
		}
		row.Facts[fact] = d.Facts.Holds(fact)
	}
	return row, nil
}
