// Package sink is a mail server for tests of faults. It writes what it takes to
// the disk before it says so, and it can be down, busy, slow, refuse, or take a
// mail and lose its own answer.
package sink

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"os"
	"strings"
	"sync"
	"time"
)

// Mood is what the server does with a mail.
type Mood int

// The moods.
const (
	Takes   Mood = iota // answers 250 once the mail is on the disk
	Busy                // answers 451 to every recipient
	Refuses             // answers 550 to every recipient
	Stuck               // takes the connection and says nothing
	Loses               // takes the mail to the disk and cuts the connection instead of answering
)

// Mail is one that was taken.
type Mail struct {
	ID   string `json:"id"` // its Message-ID, without brackets
	To   string `json:"to"`
	Told bool   `json:"told"` // the answer was sent
}

// Sink is a mail server on a loopback port. It is safe for concurrent use.
type Sink struct {
	addr string
	log  *os.File

	mu       sync.Mutex
	listener net.Listener // nil: down
	conns    map[net.Conn]bool
	mood     Mood
	mails    []Mail
	asked    int // mails that were offered
	failed   error
}

// Listen starts a server that adds a line of JSON for each mail to a file.
func Listen(log string) (*Sink, error) {
	file, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("sink: %w", err)
	}
	s := &Sink{addr: "127.0.0.1:0", log: file, conns: map[net.Conn]bool{}}
	return s, s.Up()
}

// Addr is where it listens, also while it is down.
func (s *Sink) Addr() string { return s.addr }

// Up makes a server that is down listen again.
func (s *Sink) Up() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("sink: %w", err)
	}
	s.listener, s.addr = listener, listener.Addr().String()
	go s.accept(listener)
	return nil
}

// Down cuts all connections and takes no more.
func (s *Sink) Down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		_ = s.listener.Close() // nobody is left to tell
		s.listener = nil
	}
	for conn := range s.conns {
		_ = conn.Close()
	}
}

// Close is Down for good. It returns what went wrong with the log.
func (s *Sink) Close() error {
	s.Down()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.failed, s.log.Close())
}

// Set changes the mood for mails that begin from now on; connections that are
// stuck are cut.
func (s *Sink) Set(m Mood) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mood == Stuck {
		for conn := range s.conns {
			_ = conn.Close()
		}
	}
	s.mood = m
}

// Mails returns what was taken so far.
func (s *Sink) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail{}, s.mails...)
}

// Asked is how many mails were offered so far, whatever became of them.
func (s *Sink) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *Sink) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[conn] = true
		mood := s.mood
		if mood == Stuck {
			s.asked++
		}
		s.mu.Unlock()
		go func() {
			if mood != Stuck {
				s.talk(conn)
				_ = conn.Close()
			} else {
				// Until it is cut, or the client gives up.
				_, _ = conn.Read(make([]byte, 1))
			}
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
		}()
	}
}

// talk is one connection.
func (s *Sink) talk(conn net.Conn) {
	say := func(line string) bool {
		_, err := fmt.Fprint(conn, line+"\r\n")
		return err == nil
	}
	in := bufio.NewReader(conn)
	to := ""
	for ok := say("220 sink"); ok; {
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb := strings.ToUpper(strings.TrimSpace(line))
		switch {
		case strings.HasPrefix(verb, "RCPT"):
			to = strings.Trim(strings.TrimSpace(line[len("RCPT TO:"):]), "<>")
			ok = say(s.offered())
		case verb == "DATA":
			ok = say("354 go on") && s.take(in, to, say)
		case verb == "QUIT":
			say("221 bye")
			return
		case strings.HasPrefix(verb, "EHLO"), strings.HasPrefix(verb, "HELO"), strings.HasPrefix(verb, "MAIL"), verb == "RSET", verb == "NOOP":
			ok = say("250 ok")
		default:
			ok = say("502 what?")
		}
	}
}

// offered is the answer to a recipient.
func (s *Sink) offered() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	switch s.mood {
	case Busy:
		return "451 later"
	case Refuses:
		return "550 nobody here"
	}
	return "250 ok"
}

// take reads a mail, keeps it and answers. It reports whether the connection
// goes on.
func (s *Sink) take(in *bufio.Reader, to string, say func(string) bool) bool {
	var text strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false // half a mail is none
		}
		if line == ".\r\n" {
			break
		}
		text.WriteString(line)
	}
	read, err := mail.ReadMessage(strings.NewReader(text.String()))
	if err != nil {
		return say("554 no mail")
	}
	m := Mail{ID: strings.Trim(read.Header.Get("Message-Id"), "<>"), To: to}
	s.mu.Lock()
	m.Told = s.mood != Loses
	line, err := json.Marshal(m)
	if err == nil {
		_, err = s.log.Write(append(line, '\n'))
	}
	if err = errors.Join(err, s.log.Sync()); err != nil {
		s.failed = errors.Join(s.failed, err)
		s.mu.Unlock()
		return say("452 no space")
	}
	s.mails = append(s.mails, m)
	s.mu.Unlock()
	return m.Told && say("250 taken")
}
