package vault

import (
	"sync"

	"accord/providers"
	"accord/providers/vaultapi"
)

// made is what runs wrote to a CRM vault and saw there, so that what names it
// need not ask for it again: the containers of a run come right after their
// members. Another run begins with nothing.
type made struct {
	mu    sync.Mutex
	marks map[string]*madeBy // by the prefix of the marks of a point
}

type madeBy struct {
	run       string
	documents map[providers.Member]vaultapi.ID
}

// mostMade bounds what is remembered of one run; what is more is asked for.
const mostMade = 100_000

func (m *made) by(run, prefix string) *madeBy {
	if m.marks == nil {
		m.marks = map[string]*madeBy{}
	}
	if m.marks[prefix] == nil || m.marks[prefix].run != run {
		m.marks[prefix] = &madeBy{run: run, documents: map[providers.Member]vaultapi.ID{}}
	}
	return m.marks[prefix]
}

// find returns those of items that the run wrote.
func (m *made) find(run, prefix string, items []providers.Member) map[providers.Member]vaultapi.ID {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[providers.Member]vaultapi.ID{}
	by := m.by(run, prefix)
	for _, item := range items {
		if id, ok := by.documents[item]; ok {
			found[item] = id
		}
	}
	return found
}

// note remembers what came of a batch: the documents of items, where they are
// as they should be, and of others nothing.
func (m *made) note(run, prefix string, items map[providers.Member]vaultapi.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	by := m.by(run, prefix)
	for item, id := range items {
		if id == "" {
			delete(by.documents, item)
		} else if len(by.documents) < mostMade {
			by.documents[item] = id
		}
	}
}

// forget ends a run.
func (m *made) forget(prefix string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.marks, prefix)
}
