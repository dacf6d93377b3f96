CREATE SCHEMA IF NOT EXISTS "journal";
--> statement-breakpoint
CREATE TABLE "journal"."entries" (
	"position" bigserial PRIMARY KEY NOT NULL,
	"message_id" text NOT NULL,
	"name" text NOT NULL,
	"key" text NOT NULL,
	"correlation_id" text NOT NULL,
	"causation_id" text NOT NULL,
	"traceparent" text NOT NULL,
	"task_id" text,
	"fence" bigint,
	"body" "bytea" NOT NULL,
	"occurred_at" timestamp (3) with time zone NOT NULL,
	"source" text NOT NULL,
	"recorded_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE INDEX "entries_recorded_at" ON "journal"."entries" USING btree ("recorded_at");