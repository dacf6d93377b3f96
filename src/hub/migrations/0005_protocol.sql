CREATE TABLE "hub"."bot_revisions" (
	"bot_id" text NOT NULL,
	"digest" text NOT NULL,
	"epoch" bigint NOT NULL,
	"status" text NOT NULL,
	"reason" text NOT NULL,
	"changed_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "bot_revisions_bot_id_digest_pk" PRIMARY KEY("bot_id","digest")
);
--> statement-breakpoint
CREATE TABLE "hub"."kinds" (
	"kind" text PRIMARY KEY NOT NULL,
	"version" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "hub"."revision_changes" (
	"id" bigserial PRIMARY KEY NOT NULL,
	"digest" text NOT NULL,
	"version" bigint NOT NULL,
	"from_state" text,
	"to_state" text NOT NULL,
	"percent" integer,
	"at" timestamp (3) with time zone NOT NULL,
	"by" text NOT NULL,
	"reason" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "hub"."revisions" (
	"digest" text PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"revision" integer NOT NULL,
	"state" text NOT NULL,
	"descriptor_set" "bytea" NOT NULL,
	"sources" jsonb NOT NULL,
	"task_message" text NOT NULL,
	"progress_message" text NOT NULL,
	"result_message" text NOT NULL,
	"published_at" timestamp (3) with time zone NOT NULL,
	"published_by" text NOT NULL,
	"changed_at" timestamp (3) with time zone NOT NULL,
	"changed_by" text NOT NULL,
	"reason" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "hub"."rollout_attempts" (
	"rollout_id" text NOT NULL,
	"task_id" text NOT NULL,
	"fence" bigint NOT NULL,
	"arm" text NOT NULL,
	"outcome" text NOT NULL,
	"seconds" double precision NOT NULL,
	CONSTRAINT "rollout_attempts_rollout_id_task_id_fence_pk" PRIMARY KEY("rollout_id","task_id","fence")
);
--> statement-breakpoint
CREATE TABLE "hub"."rollout_reports" (
	"rollout_id" text NOT NULL,
	"hub_id" text NOT NULL,
	"arm" text NOT NULL,
	"total" bigint NOT NULL,
	"undecodable" bigint NOT NULL,
	CONSTRAINT "rollout_reports_rollout_id_hub_id_arm_pk" PRIMARY KEY("rollout_id","hub_id","arm")
);
--> statement-breakpoint
CREATE TABLE "hub"."rollouts" (
	"rollout_id" text PRIMARY KEY NOT NULL,
	"kind" text NOT NULL,
	"digest" text NOT NULL,
	"baseline" text,
	"percent" integer NOT NULL,
	"progress" jsonb NOT NULL,
	"began_at" timestamp (3) with time zone NOT NULL,
	"step_began_at" timestamp (3) with time zone NOT NULL,
	"outcome" text,
	"decided_at" timestamp (3) with time zone,
	"reason" text DEFAULT '' NOT NULL
);
--> statement-breakpoint
ALTER TABLE "hub"."bots" ADD COLUMN "any_kind" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "hub"."tasks" ADD COLUMN "lost_revision" integer;--> statement-breakpoint
ALTER TABLE "hub"."tasks" ADD COLUMN "lost_digest" text;--> statement-breakpoint
ALTER TABLE "hub"."tasks" ADD COLUMN "pinned_revision" integer;--> statement-breakpoint
ALTER TABLE "hub"."tasks" ADD COLUMN "pinned_digest" text;--> statement-breakpoint
CREATE INDEX "bot_revisions_of" ON "hub"."bot_revisions" USING btree ("digest","status");--> statement-breakpoint
CREATE INDEX "revision_changes_of" ON "hub"."revision_changes" USING btree ("digest","id");--> statement-breakpoint
CREATE UNIQUE INDEX "revisions_of_kind" ON "hub"."revisions" USING btree ("kind","revision");--> statement-breakpoint
CREATE UNIQUE INDEX "rollouts_under_way" ON "hub"."rollouts" USING btree ("kind") WHERE outcome is null;--> statement-breakpoint
CREATE INDEX "rollouts_of_kind" ON "hub"."rollouts" USING btree ("kind","began_at" desc);