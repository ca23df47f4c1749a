package devstack

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// settings is our postgresql.conf. It is written at every start; what a user
// wants otherwise he sets with ALTER SYSTEM, which is kept elsewhere and wins.
// Dynamic shared memory lies in the data directory, because in /dev/shm a killed
// server would leave it for ever, and a container has only 64 MB of that.
const settings = `# Written by devstack at every start. Use ALTER SYSTEM to override.
listen_addresses = '127.0.0.1'
port = %d
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 100
shared_buffers = '256MB'
dynamic_shared_memory_type = mmap
synchronous_commit = on
checkpoint_timeout = '15min'

random_page_cost = 1.1
jit = off

timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_checkpoints = off
log_line_prefix = '%%m [%%p] %%q%%u@%%d '
default_text_search_config = 'pg_catalog.simple'
`

// durable is what follows in the configuration of a server that keeps its data,
// fleeting in that of one for tests, which may live in memory.
const (
	durable = `
fsync = on
full_page_writes = on
wal_level = replica
max_wal_size = '2GB'
`
	fleeting = `
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = '256MB'
`
)

// access is our pg_hba.conf.
const access = `# Written by devstack at every start.
host all all 127.0.0.1/32 scram-sha-256
`

// configure writes the configuration for a run on that port.
func (c *cluster) configure(port int, noSync bool) error {
	rest := durable
	if noSync {
		rest = fleeting
	}
	files := map[string]string{
		"postgresql.conf": fmt.Sprintf(settings, port) + rest,
		"pg_hba.conf":     access,
	}
	for name, text := range files { // made by initdb, so the owner can read them
		if err := os.WriteFile(filepath.Join(c.data(), name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("configure postgres: %w", err)
		}
	}
	return nil
}

// openLog opens an empty log and keeps the one of the run before.
func (c *cluster) openLog() (*os.File, error) {
	path := c.home.file("postgres.log")
	if err := os.Rename(path, path+".1"); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("keep the last log: %w", err)
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return log, nil
}

// tail returns the last lines of a log. It reads the open file, which may have
// been removed by now.
func tail(log *os.File) []byte {
	const most = 1000
	info, err := log.Stat()
	if err != nil {
		return []byte(err.Error())
	}
	text, err := io.ReadAll(io.NewSectionReader(log, max(0, info.Size()-most), most))
	if err != nil {
		return []byte(err.Error())
	}
	return []byte(strings.TrimSpace(string(text)))
}

// bytesContain reports whether a program's output contains the words.
func bytesContain(out []byte, words string) bool { return strings.Contains(string(out), words) }
