package syncer

import (
	"context"

	"accord/lang/addrs"
	"accord/providers"
)

const (
	// concurrency is how many targets, and how many sources, go on at once.
	concurrency = 4
	// asking is how many are asked a little at once.
	asking = 16
)

// through takes tasks through the pipeline: tables before those that route by
// them, and all targets of one source together. The error concerns them all.
// over is told of each job that is over, from many goroutines.
func (s *Syncer) through(ctx context.Context, tasks []Task, writing bool, over func(*job)) ([]*job, error) {
	jobs := make([]*job, len(tasks))
	byAddr := make(map[addrs.Instance]*job, len(tasks))
	for i, t := range tasks {
		jobs[i] = &job{Task: t, s: s}
		byAddr[t.Sync.Addr] = jobs[i]
	}
	for _, j := range jobs {
		if t := j.Sync.Route.Table; t != nil && byAddr[*t] != nil {
			byAddr[*t].asTable = true
		}
	}
	if err := inOrder(jobs, byAddr); err != nil {
		return jobs, err
	}
	s.gather(ctx, jobs, byAddr, writing, over)
	return jobs, nil
}

// inOrder reports an error where a job would have to wait for itself.
func inOrder(jobs []*job, byAddr map[addrs.Instance]*job) error {
	const visiting, visited = 1, 2
	at := make(map[*job]int, len(jobs))
	var visit func(j *job) error
	visit = func(j *job) error {
		switch at[j] {
		case visiting:
			return providers.Errorf(providers.Internal, "%s runs after itself", j.Sync.Addr)
		case visited:
			return nil
		}
		at[j] = visiting
		for _, before := range j.before(byAddr) {
			if err := visit(before); err != nil {
				return err
			}
		}
		at[j] = visited
		return nil
	}
	for _, j := range jobs {
		if err := visit(j); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) before(byAddr map[addrs.Instance]*job) []*job {
	var before []*job
	if t := j.Sync.Route.Table; t != nil && byAddr[*t] != nil {
		before = append(before, byAddr[*t])
	}
	for _, a := range j.Sync.After {
		if b := byAddr[a]; b != nil && b != j {
			before = append(before, b)
		}
	}
	return before
}

// passKey is what jobs have in common that pass together.
type passKey struct {
	instance      addrs.Instance
	stream, scope string
	mode          Mode
	narrow        bool
}

func passOf(j *job) passKey {
	return passKey{j.Sync.Source.Instance, j.Sync.Source.Stream, string(j.Sync.Source.Scope), j.Decision.Mode, len(j.Decision.Only) > 0}
}

// byPass puts jobs together that read one source in one mode.
func byPass(jobs []*job) [][]*job {
	index := make(map[passKey]int)
	var passes [][]*job
	for _, j := range jobs {
		k := passOf(j)
		i, ok := index[k]
		if !ok {
			i = len(passes)
			index[k] = i
			passes = append(passes, nil)
		}
		passes[i] = append(passes[i], j)
	}
	return passes
}
