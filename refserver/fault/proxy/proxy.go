// Package proxy stands between a program and PostgreSQL and fails as networks
// do. It knows just enough of the protocol to find the COMMIT of a transaction,
// so that it can lose it, or lose the answer to it. It speaks no TLS.
package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Cut says what becomes of a COMMIT that is cut. The connection is reset in any
// case.
type Cut int

// What is lost.
const (
	LoseReply  Cut = iota // the server commits, and its answer never arrives
	LoseCommit            // it never arrives at the server, which rolls back
)

// Counts are what a proxy did so far.
type Counts struct {
	Commits       int64 // that were passed on
	RepliesLost   int64
	CommitsLost   int64
	Resets        int64 // of connections, by Reset
	ConnectionsIn int64
}

// Proxy passes connections on to a server. It is safe for concurrent use.
type Proxy struct {
	target   string
	listener net.Listener

	latency atomic.Int64 // before each message of the client
	pace    atomic.Int64 // bytes a second of the server's answers; 0: any number

	commits, repliesLost, commitsLost, resets, accepted atomic.Int64

	mu     sync.Mutex
	rng    *rand.Rand
	oneIn  int // of commits is cut; 0: none
	how    []Cut
	stall  chan struct{} // nothing passes until it is closed; nil: everything does
	pairs  map[*pair]bool
	closed bool
}

// Start returns a proxy to the address of a server, which listens on a loopback
// port.
func Start(target string, seed uint64) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	p := &Proxy{target: target, listener: listener, rng: rand.New(rand.NewPCG(seed, 0)), pairs: map[*pair]bool{}}
	go p.accept()
	return p, nil
}

// Addr is where the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close ends the proxy and its connections.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Stall(false)
	p.Reset()
	return p.listener.Close()
}

// CutCommits cuts one in so many commits from now on, in one of the ways given,
// both by chance; 0 is none.
func (p *Proxy) CutCommits(oneIn int, how ...Cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.oneIn, p.how = oneIn, how
}

// Latency delays each message to the server from now on.
func (p *Proxy) Latency(d time.Duration) { p.latency.Store(int64(d)) }

// Pace lets so many bytes a second come back from now on; 0 is any number.
func (p *Proxy) Pace(bytes int) { p.pace.Store(int64(bytes)) }

// Stall stops everything that passes, without a connection being lost, or lets
// it go on.
func (p *Proxy) Stall(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case on && p.stall == nil:
		p.stall = make(chan struct{})
	case !on && p.stall != nil:
		close(p.stall)
		p.stall = nil
	}
}

// Reset cuts all connections at once.
func (p *Proxy) Reset() {
	p.mu.Lock()
	pairs := make([]*pair, 0, len(p.pairs))
	for c := range p.pairs {
		pairs = append(pairs, c)
	}
	p.mu.Unlock()
	for _, c := range pairs {
		c.reset()
		p.resets.Add(1)
	}
}

// Counts returns what the proxy did.
func (p *Proxy) Counts() Counts {
	return Counts{p.commits.Load(), p.repliesLost.Load(), p.commitsLost.Load(), p.resets.Load(), p.accepted.Load()}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.accepted.Add(1)
		go p.serve(client)
	}
}

func (p *Proxy) serve(client net.Conn) {
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		_ = client.Close() // which says it
		return
	}
	c := &pair{proxy: p, client: client, server: server}
	p.mu.Lock()
	p.pairs[c] = true
	closed := p.closed
	p.mu.Unlock()
	if closed {
		c.reset()
	}
	var both sync.WaitGroup
	both.Go(func() { c.requests() })
	both.Go(func() { c.answers() })
	both.Wait()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

// wait is what a message waits for before it passes.
func (p *Proxy) wait(request bool) {
	p.mu.Lock()
	stall := p.stall
	p.mu.Unlock()
	if stall != nil {
		<-stall
	}
	if request {
		time.Sleep(time.Duration(p.latency.Load()))
	}
}

// chance says whether the commit that is here is cut.
func (p *Proxy) chance() (how Cut, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.oneIn == 0 || len(p.how) == 0 || p.rng.IntN(p.oneIn) != 0 {
		return 0, false
	}
	return p.how[p.rng.IntN(len(p.how))], true
}

// pair is one connection through the proxy.
type pair struct {
	proxy          *Proxy
	client, server net.Conn
	lose           atomic.Bool // the answers from now on, and then the connection
}

// reset ends both sides as a broken network does.
func (c *pair) reset() {
	for _, conn := range []net.Conn{c.client, c.server} {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // RST instead of FIN
		}
		_ = conn.Close()
	}
}

// requests passes on what the client says, message by message.
func (c *pair) requests() {
	defer c.reset()
	typed, known := false, commits{} // the first message of a connection has no type
	for {
		kind, message, err := read(c.client, typed)
		if err != nil {
			return
		}
		c.proxy.wait(true)
		typed = true
		if known.is(kind, message) {
			how, cut := c.proxy.chance()
			switch {
			case cut && how == LoseCommit:
				c.proxy.commitsLost.Add(1)
				return
			case cut:
				c.lose.Store(true)
			default:
				c.proxy.commits.Add(1)
			}
		}
		if _, err := c.server.Write(message); err != nil {
			return
		}
	}
}

// answers passes on what the server says.
func (c *pair) answers() {
	defer c.reset()
	const readyForQuery = 'Z'
	for {
		kind, message, err := read(c.server, true)
		if err != nil {
			return
		}
		if c.lose.Load() {
			if kind == readyForQuery { // so it is done
				c.proxy.repliesLost.Add(1)
				return
			}
			continue
		}
		c.proxy.wait(false)
		if err := c.answer(message); err != nil {
			return
		}
	}
}

// answer writes to the client at the pace of the proxy.
func (c *pair) answer(message []byte) error {
	for len(message) > 0 {
		n, pace := len(message), int(c.proxy.pace.Load())
		if pace > 0 {
			n = 1
			time.Sleep(time.Second / time.Duration(pace))
		}
		if _, err := c.client.Write(message[:n]); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}

// maxMessage is more than anything that passes here.
const maxMessage = 64 << 20

// read returns one message with its type and length.
func read(from io.Reader, typed bool) (kind byte, message []byte, err error) {
	head := make([]byte, 4, 5)
	if typed {
		head = head[:5]
	}
	if _, err := io.ReadFull(from, head); err != nil {
		return 0, nil, err
	}
	if typed {
		kind = head[0]
	}
	length := binary.BigEndian.Uint32(head[len(head)-4:])
	if length < 4 || length > maxMessage {
		return 0, nil, errors.New("proxy: no message of PostgreSQL")
	}
	message = append(head, make([]byte, length-4)...)
	_, err = io.ReadFull(from, message[len(head):])
	return kind, message, err
}

// commits finds the commits in what a client says.
type commits map[string]bool // prepared statements, by name, that are one

// is reports whether a message asks for the commit of a transaction: as a simple
// query, or as a statement that was prepared for it.
func (c commits) is(kind byte, message []byte) bool {
	text := message[min(5, len(message)):]
	first, rest, _ := bytes.Cut(text, []byte{0})
	second, _, _ := bytes.Cut(rest, []byte{0})
	switch kind {
	case 'Q':
		return saysCommit(first)
	case 'P': // Parse: name and text
		c[string(first)] = saysCommit(second)
	case 'B': // Bind: portal and name
		return c[string(second)]
	}
	return false
}

func saysCommit(text []byte) bool {
	return bytes.EqualFold(bytes.TrimRight(bytes.TrimSpace(text), ";"), []byte("commit"))
}
