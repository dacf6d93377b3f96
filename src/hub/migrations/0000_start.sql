CREATE SCHEMA IF NOT EXISTS "hub";
--> statement-breakpoint
CREATE TABLE "hub"."bots" (
	"bot_id" text PRIMARY KEY NOT NULL,
	"instance_id" text NOT NULL,
	"boot_count" bigint NOT NULL,
	"epoch" bigint NOT NULL,
	"session_id" text NOT NULL,
	"hub_id" text NOT NULL,
	"connected" boolean NOT NULL,
	"session_expires_at" timestamp (3) with time zone NOT NULL,
	"last_seen_at" timestamp (3) with time zone NOT NULL,
	"x" double precision,
	"y" double precision,
	"battery" double precision
);
--> statement-breakpoint
CREATE TABLE "hub"."inbox" (
	"message_id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"handled_at" timestamp (3) with time zone NOT NULL,
	"outcome" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "hub"."outbox" (
	"id" bigserial PRIMARY KEY NOT NULL,
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
	"published_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "hub"."tasks" (
	"task_id" text PRIMARY KEY NOT NULL,
	"order_id" text NOT NULL,
	"kind" text NOT NULL,
	"revision" integer NOT NULL,
	"digest" text NOT NULL,
	"payload" "bytea" NOT NULL,
	"priority" integer NOT NULL,
	"max_attempts" integer NOT NULL,
	"x" double precision,
	"y" double precision,
	"traceparent" text NOT NULL,
	"correlation_id" text NOT NULL,
	"causation_id" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"state" text NOT NULL,
	"attempt" integer NOT NULL,
	"fence" bigint NOT NULL,
	"bot_id" text,
	"held_until" timestamp (3) with time zone,
	"not_before" timestamp (3) with time zone,
	"finished_at" timestamp (3) with time zone,
	"reason" text
);
--> statement-breakpoint
CREATE INDEX "inbox_handled_at" ON "hub"."inbox" USING btree ("handled_at");--> statement-breakpoint
CREATE INDEX "outbox_unpublished" ON "hub"."outbox" USING btree ("id") WHERE published_at is null;--> statement-breakpoint
CREATE INDEX "outbox_published" ON "hub"."outbox" USING btree ("published_at") WHERE published_at is not null;--> statement-breakpoint
CREATE INDEX "tasks_queued" ON "hub"."tasks" USING btree ("priority" desc,"created_at") WHERE state = 'QUEUED';--> statement-breakpoint
CREATE INDEX "tasks_held_until" ON "hub"."tasks" USING btree ("held_until") WHERE state in ('OFFERED', 'LEASED', 'RUNNING');--> statement-breakpoint
CREATE INDEX "tasks_held_by" ON "hub"."tasks" USING btree ("bot_id") WHERE state in ('OFFERED', 'LEASED', 'RUNNING');--> statement-breakpoint
CREATE INDEX "tasks_by_order" ON "hub"."tasks" USING btree ("order_id");--> statement-breakpoint
CREATE INDEX "tasks_newest" ON "hub"."tasks" USING btree ("created_at" desc);