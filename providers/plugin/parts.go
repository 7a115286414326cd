package plugin

import (
	"context"
	"errors"
	"io"
	"iter"

	"accord/providers"

	"google.golang.org/grpc"
)

const (
	// partSize is how much of a batch one message holds, more or less.
	partSize = 1 << 20
	// atATime is how many things are written out before they are sent.
	atATime = 16
	// messageSize is the largest message: one object or record, at worst.
	messageSize = 16 << 20
	// windowSize is how much of a stream may be under way, unread.
	windowSize = 4 << 20
	// streamWorkers is how many calls are answered by goroutines that stay.
	streamWorkers = 16
)

// parts cuts a batch into parts of about partSize; at least one.
func parts[E any](batch []E, size func(*E) int) iter.Seq[[]E] {
	return func(yield func([]E) bool) {
		from, sum := 0, 0
		for n := range batch {
			s := size(&batch[n])
			if sum > 0 && sum+s > partSize {
				if !yield(batch[from:n]) {
					return
				}
				from, sum = n, 0
			}
			sum += s
		}
		yield(batch[from:])
	}
}

// overhead is about what a message holds beside its bytes.
const overhead = 128

func sizeOfObject(o *providers.Object) int {
	if o == nil {
		return 0
	}
	return overhead + len(o.Body)
}

func sizeOfResult(r *providers.Result) int {
	size := overhead + sizeOfObject(r.Object) + overhead*len(r.Diagnostics)
	if r.Err != nil {
		size += len(r.Err.Message) + len(r.Err.Trace) + len(r.Err.Stack)
	}
	return size
}

func sizeOfPlanItem(i *providers.PlanItem) int {
	return sizeOfObject(i.Desired) + sizeOfObject(i.Recorded) + sizeOfObject(i.Live)
}

func sizeOfPlanned(p *providers.PlanResponse) int {
	return overhead + sizeOfObject(p.Planned) + overhead*len(p.Diagnostics)
}

func sizeOfApplyItem(i *providers.ApplyItem) int {
	return sizeOfObject(i.Planned) + sizeOfObject(i.Recorded) + sizeOfObject(i.Live)
}

func sizeOfChange(c *providers.Change) int {
	return sizeOfObject(c.Before) + sizeOfObject(c.After) + sizeOfObject(c.Live)
}

func sizeOfDiagnostic(d *providers.Diagnostic) int {
	return overhead + len(d.Summary) + len(d.Detail)
}

func sizeOfRecord(r *providers.Record) int {
	return overhead + len(r.Title) + len(r.Fields) + 32*len(r.Members) + 32*len(r.Routes) + 64*len(r.Groups)
}

func sizeOfWrite(w *providers.Write) int {
	return overhead + len(w.Title) + len(w.Fields) + 32*(len(w.Members)+len(w.Was))
}

func sizeOfWriteResult(r *providers.WriteResult) int {
	if r.Err != nil {
		return overhead + len(r.Err.Message) + len(r.Err.Trace) + len(r.Err.Stack)
	}
	return overhead
}

func sizeOfBytes(b *[]byte) int { return overhead + len(*b) }

// exchange sends all parts of a request, then reads all parts of its answer.
func exchange[Q, R any](
	ctx context.Context,
	open func(context.Context, ...grpc.CallOption) (grpc.BidiStreamingClient[Q, R], error),
	request iter.Seq[*Q],
	answer func(*R),
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := open(ctx)
	if err != nil {
		return err
	}
	for q := range request {
		if err := stream.Send(q); errors.Is(err, io.EOF) {
			break // Recv says why
		} else if err != nil {
			return err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return receive(stream, answer)
}

// receive reads all messages of a stream that ends well.
func receive[M any](stream interface{ Recv() (*M, error) }, each func(*M)) error {
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		each(m)
	}
}
