package sink_test

import (
	"encoding/json"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/enrollkit/refserver/fault/sink"
)

const text = "Message-ID: <one@fault.example>\r\nSubject: hello\r\n\r\n.. body\r\n"

func send(s *sink.Sink) error {
	return smtp.SendMail(s.Addr(), nil, "from@fault.example", []string{"to@fault.example"}, []byte(text))
}

func listen(t *testing.T) (s *sink.Sink, log string) {
	t.Helper()
	log = filepath.Join(t.TempDir(), "mails.jsonl")
	s, err := sink.Listen(log)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s, log
}

// What is acknowledged is on the disk.
func TestAMailIsWrittenDownBeforeItIsAcknowledged(t *testing.T) {
	s, log := listen(t)
	require.NoError(t, send(s))
	want := sink.Mail{ID: "one@fault.example", To: "to@fault.example", Told: true}
	require.Equal(t, []sink.Mail{want}, s.Mails())
	written, err := os.ReadFile(log)
	require.NoError(t, err)
	var got sink.Mail
	require.NoError(t, json.Unmarshal(written, &got))
	require.Equal(t, want, got)
}

func TestMoods(t *testing.T) {
	for _, c := range []struct {
		name  string
		mood  sink.Mood
		says  string
		keeps bool
	}{
		{"busy", sink.Busy, "451", false},
		{"refuses", sink.Refuses, "550", false},
		{"loses its answer", sink.Loses, "EOF", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := listen(t)
			s.Set(c.mood)
			err := send(s)
			require.Error(t, err)
			require.Contains(t, err.Error(), c.says)
			require.Equal(t, c.keeps, len(s.Mails()) == 1)
			require.Equal(t, 1, s.Asked())
			if c.keeps {
				require.False(t, s.Mails()[0].Told)
			}
		})
	}
}

func TestASinkThatIsStuckSaysNothingUntilItIsCut(t *testing.T) {
	s, _ := listen(t)
	s.Set(sink.Stuck)
	conn, err := net.Dial("tcp", s.Addr())
	require.NoError(t, err)
	for s.Asked() == 0 { // until it has been accepted
		time.Sleep(time.Millisecond)
	}
	s.Set(sink.Takes)
	n, err := conn.Read(make([]byte, 100))
	require.Zero(t, n)
	require.Error(t, err)
	require.NoError(t, conn.Close())
}

func TestASinkThatWasDownComesBackAtItsAddress(t *testing.T) {
	s, _ := listen(t)
	s.Down()
	err := send(s)
	require.Error(t, err)
	require.True(t, strings.Contains(err.Error(), "refused"), err)
	require.NoError(t, s.Up())
	require.NoError(t, send(s))
	require.Len(t, s.Mails(), 1)
}
